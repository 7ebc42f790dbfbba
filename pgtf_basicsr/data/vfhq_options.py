"""What a ``datasets`` section of type VFHQDataset may hold."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from ..config.registered import ArgumentsOf
from ..config.schema import DataSetOptions
from ..config.sections import Section, mistake_at
from ..config.value_types import ExistingFile, ExistingPath, Words, refuse, shown
from ..errors import UserError
from .degradation import VARIANTS, DegradationRanges, degradation_ranges
from .placement import PlacementRanges
from .remote import is_url
from .storage import LMDB, LOCAL, is_lmdb

__all__ = ['Location', 'VFHQOptions']


def _existing(value):
    return value if is_url(value) else TypeAdapter(ExistingPath).validate_python(value)


def _degradation(value):
    ranges = {name: item for name, item in value.items() if name != 'variant'}
    if 'variant' in value and value['variant'] not in VARIANTS:
        raise mistake_at('variant', f' is {shown(value["variant"])}; it must be one of {", ".join(VARIANTS)}')
    ArgumentsOf(DegradationRanges, UserError)(ranges)
    try:
        degradation_ranges(**value)
    except UserError as error:
        refuse(f': {str(error).partition(": ")[2]}')
    return value


def _interval(value):
    if not _is_count(value) and not (isinstance(value, list) and value and all(map(_is_count, value))):
        refuse(f' is {shown(value)}; it must be a whole number from 1 on, or a list of them')
    return value


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _clip_weights(value):
    return value if value == 'frames' else TypeAdapter(ExistingFile).validate_python(value)


def _backend(value):
    from mmengine.fileio.backends import backends  # as in `remote`

    known = [*LOCAL, LMDB, *backends]
    if value not in known:
        refuse(f' is {shown(value)}; it must be one of {", ".join(known)}')
    return value


Location = Annotated[str, AfterValidator(_existing), Words('file, folder or URL')]
Degradation = Annotated[dict, AfterValidator(_degradation), Words('DegradationRanges, and variant')]
Backend = Annotated[str, AfterValidator(_backend)]
Interval = Annotated[Any, AfterValidator(_interval), Words('whole number, at least 1, or a list of them')]
ClipWeights = Annotated[str, AfterValidator(_clip_weights), Words('frames or a file')]
Placement = Annotated[dict, AfterValidator(ArgumentsOf(PlacementRanges, UserError)), Words('PlacementRanges')]


class BackendOptions(Section):
    """``io_backend``, which BasicSR's data sets choose by; further keys are arguments of mmengine's backend."""

    is_open: ClassVar[bool] = True

    type: Backend = Field(
        'disk', description="disk, lmdb, or the name of one of mmengine's file backends, such as petrel"
    )


class VFHQOptions(DataSetOptions):
    """A data set of type VFHQDataset."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict] = {}

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
        'png', description='extension of files behind a URL, which cannot be listed; mp4 for videos'
    )
    io_backend: BackendOptions | None = Field(
        None, description='how clips are read. Default: as what is found at dataroot_gt'
    )
    gt_size: int = Field(512, ge=1, description='side of the ground truth in pixels')
    num_frame: int = Field(3, ge=1, description='frames of a training window; shorter clips are left out')
    interval: Interval = Field(1, description='step between the frames of a training window, or a list to draw from')
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
    placement: Placement | None = Field(
        None,
        description='how far faces lie from their aligned place; ~: not at all if aligned, else as far as the '
        "ranges' own defaults say",
    )
    use_hflip: bool = Field(False, description='mirror half of the training windows')
    degradation: Degradation | None = Field(None, description='how frames are degraded on the fly; ~: as VFHQ is')
    seed: int = Field(None, ge=0, description="seed of all draws. Default: the run's manual_seed in training, else 0")
    scale: int | float = Field(None, gt=0, description="set by BasicSR from the file's scale", exclude=True)
    dataset_enlarge_ratio: Literal[1] = Field(
        1, description='would repeat the same draws within an epoch: windows_per_clip is for that'
    )

    @classmethod
    def contradictions(cls, section, phase):
        yield from super().contradictions(section, phase)
        if section.get('dataroot_gt') is None and (phase == 'train' or section.get('dataroot_lq') is None):
            yield ('dataroot_gt',), ' is missing'
        root = section.get('dataroot_gt') or section.get('dataroot_lq')
        if root and (section.get('io_backend') or {}).get('type') == LMDB and not is_lmdb(root):
            yield ('io_backend', 'type'), f" is 'lmdb', but {root} is none: it has no file data.mdb"
