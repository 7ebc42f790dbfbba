"""What a ``datasets`` section of type CelebAMaskHQDataset may hold."""

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Len
from pydantic import Field

from ..config.schema import DataSetOptions
from ..config.value_types import ExistingPath
from .vfhq_options import Degradation, Placement

__all__ = ['CelebAMaskHQOptions']


class CelebAMaskHQOptions(DataSetOptions):
    """A data set of type CelebAMaskHQDataset."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict] = {}

    dataroot: ExistingPath = Field(description='folder of CelebA-HQ-img and CelebAMask-HQ-mask-anno')
    images: Annotated[list[Annotated[int, Ge(0)]], Len(2, 2)] | None = Field(
        None, description='numbers of the first and the last picture to take; ~ takes all'
    )
    meta_info_file: ExistingPath | None = Field(
        None, description='list of pictures to take in place of images, a number a line'
    )
    size: int = Field(512, ge=1, description='side of pictures and masks in pixels')
    placement: Placement | None = Field(None, description='how far pictures are shifted, turned and zoomed; ~: not')
    use_hflip: bool = Field(False, description='mirror half of the training pictures; left parts become right ones')
    color_jitter: float = Field(
        0,
        ge=0,
        le=1,
        description='largest change of brightness, contrast and saturation in training, each a factor of 1 ± this',
    )
    degradation: Degradation | None = Field(None, description='how pictures are degraded; ~: not at all')
    seed: int = Field(None, ge=0, description="seed of all draws. Default: the run's manual_seed in training, else 0")
    scale: int | float = Field(None, gt=0, description="set by BasicSR from the file's scale", exclude=True)
    dataset_enlarge_ratio: Literal[1] = Field(1, description='would repeat the same draws within an epoch')

    @classmethod
    def contradictions(cls, section, phase):
        yield from super().contradictions(section, phase)
        first, last = section.get('images') or (0, 0)
        if first > last:
            yield ('images',), f' is [{first}, {last}]; it must be two numbers in order'
        if section.get('images') and section.get('meta_info_file'):
            yield ('meta_info_file',), ' and images both say which pictures to take: leave one out'
        if (section.get('degradation') or {}).get('resize_back') is False:
            yield ('degradation', 'resize_back'), ' is false; pictures must be as large as their masks'
