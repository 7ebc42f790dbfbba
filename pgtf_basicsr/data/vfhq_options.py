"""Options of a dataset of type VFHQDataset."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from ..config.dataset_options import DataSetOptions
from ..config.mistakes import Keys
from ..config.sections import Section
from ..config.value_types import Words, existing_file, existing_path, in_file_check, refuse, shown
from .degradation import DegradationRanges
from .placement import PlacementRanges
from .remote import is_url
from .storage import DEFAULT_EXTENSION, LMDB, LOCAL, is_lmdb

__all__ = ['Location', 'VFHQOptions', 'VFHQVideoTestOptions']


def _existing(value):
    return value if is_url(value) else existing_path(value)


def _intervals(value):
    intervals = value if isinstance(value, (list, tuple)) else [value]
    if not intervals or not all(
        isinstance(item, int) and not isinstance(item, bool) and item > 0 for item in intervals
    ):
        refuse(f' is {shown(value)}; it must be a positive integer, or a list of them')
    return tuple(intervals)


def _not_enlarged(value):
    if value != 1:
        refuse(f' is {value}; it must be 1: larger ones repeat the same draws, which windows_per_clip does not')
    return value


def _clip_weights(value):
    return value if value == 'frames' else existing_file(value)


def _backend(value):
    from mmengine.fileio.backends import backends  # as in `remote`

    known = [*LOCAL, LMDB, *backends]
    if value not in known:
        refuse(f' is {shown(value)}; it must be one of {", ".join(known)}')
    return value


Location = Annotated[str, in_file_check(_existing), Words('file, folder or URL')]
Backend = Annotated[str, in_file_check(_backend)]
Intervals = Annotated[
    tuple[int, ...], BeforeValidator(_intervals), Words('positive integer, or a list of them to draw from')
]
ClipWeights = Annotated[str, in_file_check(_clip_weights), Words('frames or a file')]


class BackendOptions(Section):
    """``io_backend``, by which BasicSR's datasets choose; further keys are arguments of mmengine's backend."""

    model_config = ConfigDict(extra='allow')
    is_open: ClassVar[bool] = True

    type: Backend | None = Field(
        None,
        description="disk, lmdb, or the name of one of mmengine's file backends, such as petrel; ~ goes by what is "
        'found at the dataroot',
    )


class VFHQOptions(DataSetOptions):
    """A dataset of type VFHQDataset."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict[str, tuple[Any, str]]] = {}

    dataroot_gt: Location | None = Field(
        None, description='folders of frames, LMDB, folder of videos, or a URL; only validation does without'
    )
    dataroot_lq: Location | None = Field(
        None,
        description='the same of degraded clips with the same clip and frame names, of any size; ~ degrades on the fly',
    )
    dataroot_landmarks: Location | None = Field(
        None,
        description='folder of landmark files <clip>.txt, in pixels of the ground truth (of the degraded frames '
        'where there is none); ~ takes the centre square of frames for the aligned face',
    )
    meta_info_file: Location | None = Field(
        None,
        description='list of clips, lines <clip> <frames> (<height>,<width>,3) <first frame> or <clip>/<frames>; '
        '~ takes all that can be listed',
    )
    filename_ext: str = Field(
        DEFAULT_EXTENSION, description='extension of files behind a URL, which cannot be listed; mp4 for videos'
    )
    io_backend: BackendOptions | None = Field(
        None, description='how clips are read; ~ goes by what is found at the dataroot'
    )
    gt_size: int = Field(512, ge=1, description='side of the ground truth in pixels')
    num_frame: int = Field(3, ge=1, description='frames of a training window; shorter clips are skipped')
    interval: Intervals = Field((1,), description='step between the frames of a training window')
    random_reverse: bool = Field(False, description='play half of the training windows backwards')
    clip_ends: Literal['inside', 'repeat'] = Field(
        'inside',
        description='repeat lets training windows reach over the ends of their clip, where the first or last '
        'frame is repeated, as in restoration',
    )
    clip_weights: ClipWeights | None = Field(
        None,
        description='how often clips are taken in training: frames, as often as they are long, or a file of '
        'lines <clip> <weight>; ~ takes all alike',
    )
    broken_data: Literal['stop', 'skip'] = Field(
        'stop',
        description='what training does about missing or broken files: end with a message, or log it and take '
        'the next sample',
    )
    windows_per_clip: int = Field(1, ge=1, description='windows of each clip in a training epoch')
    max_frames: int | None = Field(
        None, ge=1, description='frames of each clip in validation, from its start; ~ takes all'
    )
    gt_frames: Literal['all', 'centre'] = Field(
        'all', description='frames of the ground truth; centre is for networks that restore only that frame'
    )
    aligned: bool = Field(True, description='leave faces at their aligned place')
    placement: PlacementRanges | None = Field(
        None,
        description='how far faces lie from their aligned place; ~: not at all if aligned, else as far as the '
        "ranges' own defaults say",
    )
    use_hflip: bool = Field(False, description='mirror half of the training windows')
    degradation: DegradationRanges | None = Field(None, description='how frames are degraded on the fly; ~: as VFHQ is')
    seed: int = Field(
        0, ge=0, description="seed of all draws; where it is not given, training takes the run's manual_seed"
    )
    dataset_enlarge_ratio: Annotated[int, AfterValidator(_not_enlarged)] = Field(
        1, description='must be 1: windows_per_clip makes an epoch longer, with other draws for each window'
    )

    @classmethod
    def contradictions(cls, section: dict[str, Any], phase: str) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(section, phase)
        if section.get('dataroot_gt') is None and (phase == 'train' or section.get('dataroot_lq') is None):
            yield ('dataroot_gt',), ' is missing'

    @classmethod
    def needs(cls, section: dict[str, Any], phase: str) -> Iterator[tuple[Keys, str]]:
        yield from super().needs(section, phase)
        root = section.get('dataroot_gt') or section.get('dataroot_lq')
        if root and (section.get('io_backend') or {}).get('type') == LMDB and not is_lmdb(root):
            yield ('io_backend', 'type'), f" is 'lmdb', but {root} is not one: it has no file data.mdb"


class VFHQVideoTestOptions(VFHQOptions):
    """A dataset of type VFHQVideoTestDataset."""

    num_frame: int = Field(3, ge=1, description='frames of the window around each frame, an odd number')
    padding: Literal['replicate', 'reflection', 'reflection_circle', 'circle'] = Field(
        'replicate', description="frames that windows have beyond the ends of their clip, as BasicSR's datasets"
    )

    @classmethod
    def contradictions(cls, section: dict[str, Any], phase: str) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(section, phase)
        if section.get('dataroot_lq') is not None and section.get('dataroot_gt') is None:
            yield ('dataroot_gt',), ' is missing: the frames are compared with it'
        num_frame = section.get('num_frame')
        if num_frame is not None and num_frame % 2 == 0:
            yield ('num_frame',), f' is {num_frame}; it must be odd, so that a frame is in the middle'
