"""Options of a dataset of type CelebAMaskHQDataset."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Len
from pydantic import Field

from ..argument_types import Share
from ..config.dataset_options import DataSetOptions
from ..config.mistakes import Keys
from ..config.value_types import ExistingPath
from .degradation import DegradationRanges
from .placement import PlacementRanges

__all__ = ['CelebAMaskHQOptions']


class CelebAMaskHQOptions(DataSetOptions):
    """A dataset of type CelebAMaskHQDataset."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict[str, tuple[Any, str]]] = {}

    dataroot: ExistingPath = Field(description='folder of CelebA-HQ-img and CelebAMask-HQ-mask-anno')
    images: Annotated[list[Annotated[int, Ge(0)]], Len(2, 2)] | None = Field(
        None, description='numbers of the first and the last image to take; ~ takes all'
    )
    meta_info_file: ExistingPath | None = Field(
        None, description='list of images to take in place of images, a number a line'
    )
    size: int = Field(512, ge=1, description='side of images and masks in pixels')
    placement: PlacementRanges | None = Field(None, description='how far images are shifted, turned and zoomed; ~: not')
    use_hflip: bool = Field(False, description='mirror half of the training images; left parts become right ones')
    color_jitter: Share = Field(
        0, description='largest change of brightness, contrast and saturation in training, each a factor of 1 ± this'
    )
    degradation: DegradationRanges | None = Field(None, description='how images are degraded; ~: not at all')
    seed: int = Field(
        0, ge=0, description="seed of all draws; where it is not given, training takes the run's manual_seed"
    )
    dataset_enlarge_ratio: Literal[1] = Field(1, description='must be 1: larger ones repeat the same draws')

    @classmethod
    def contradictions(cls, section: dict[str, Any], phase: str) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(section, phase)
        first, last = section.get('images') or (0, 0)
        if first > last:
            yield ('images',), f' is [{first}, {last}]; it must be two numbers in order'
        if section.get('images') and section.get('meta_info_file'):
            yield ('meta_info_file',), ' and images both say which images to take: leave one out'
        if (section.get('degradation') or {}).get('resize_back') is False:
            yield ('degradation', 'resize_back'), ' is false; images must be as large as their masks'
