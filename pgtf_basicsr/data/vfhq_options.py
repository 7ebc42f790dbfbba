"""What a ``datasets`` section of type VFHQDataset may hold."""
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from ..errors import UserError
from ..options.registered import ArgumentsOf
from ..options.schema import DataSetOptions
from ..options.sections import Section
from ..options.value_types import ExistingPath, Words
from .alignment import PlacementRanges
from .degradation import DegradationRanges

__all__ = ['VFHQOptions']

Degradation = Annotated[dict, AfterValidator(ArgumentsOf(DegradationRanges, UserError)), Words('DegradationRanges')]
Placement = Annotated[dict, AfterValidator(ArgumentsOf(PlacementRanges, UserError)), Words('PlacementRanges')]


class DiskOptions(Section):
    """``io_backend``, which BasicSR's data sets choose by."""
    type: Literal['disk'] = Field('disk', description='frames are read from folders; there is no other way')


class VFHQOptions(DataSetOptions):
    """A data set of type VFHQDataset."""
    is_open: ClassVar[bool] = False
    families: ClassVar[dict] = {}

    dataroot_gt: ExistingPath | None = Field(None, description='folder of clips; only validation does without')
    dataroot_lq: ExistingPath | None = Field(
        None, description='folder of degraded clips with the same clip and frame names, of any size; ~ degrades on '
                          'the fly')
    dataroot_landmarks: ExistingPath | None = Field(
        None, description='folder of landmark files <clip>.txt, in pixels of the ground truth (of the degraded frames '
                          'where there is none); ~ takes the centre square of frames for the aligned face')
    meta_info_file: ExistingPath | None = Field(
        None, description='list of clips, lines <clip>/<number of frames>; ~ takes all')
    gt_size: int = Field(512, ge=1, description='side of the ground truth in pixels')
    num_frame: int = Field(3, ge=1, description='frames of a training window; shorter clips are left out')
    interval: int = Field(1, ge=1, description='step between the frames of a training window')
    windows_per_clip: int = Field(1, ge=1, description='windows of each clip in a training epoch')
    max_frames: int | None = Field(None, ge=1, description='frames of each clip in validation, from its start; ~ '
                                                           'takes all')
    gt_frames: Literal['all', 'centre'] = Field(
        'all', description='frames of the ground truth; centre is for networks that restore only that frame')
    aligned: bool = Field(True, description='leave faces at their aligned place')
    placement: Placement | None = Field(
        None, description='how far faces lie from their aligned place; ~: not at all if aligned, else as far as the '
                          "ranges' own defaults say")
    use_hflip: bool = Field(False, description='mirror half of the training windows')
    degradation: Degradation | None = Field(None, description='how frames are degraded on the fly; ~: as VFHQ is')
    seed: int = Field(None, ge=0, description="seed of all draws. Default: the run's manual_seed in training, else 0")
    scale: int | float = Field(None, gt=0, description="set by BasicSR from the file's scale", exclude=True)
    io_backend: DiskOptions | None = Field(None, description='how frames are read')
    dataset_enlarge_ratio: Literal[1] = Field(
        1, description='would repeat the same draws within an epoch: windows_per_clip is for that')

    @classmethod
    def contradictions(cls, section, phase):
        yield from super().contradictions(section, phase)
        if section.get('dataroot_gt') is None and (phase == 'train' or section.get('dataroot_lq') is None):
            yield ('dataroot_gt',), ' is missing'
