"""What restores nothing: the degraded frames themselves, and bicubic enlargement."""

from collections.abc import Iterable, Iterator

from torch import Tensor
from torch.nn import functional as F

from ..argument_types import Count
from .method import Method, MethodNeeds
from .registry import METHOD_REGISTRY

__all__ = ['Bicubic', 'Input']


@METHOD_REGISTRY.register()
class Input(Method):
    """The degraded frames as they are."""

    title = 'Input'
    needs = MethodNeeds(licence='Apache-2.0')

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Pass frames on, see `Method.restore`."""
        for frame in frames:
            yield frame.clamp(0, 1)


@METHOD_REGISTRY.register()
class Bicubic(Method):
    """Bicubic enlargement of what the degradation left of a frame.

    Degraded frames have the size of the ground truth, to which Eq. 8 resizes them by a method drawn by chance. Here
    they are reduced to what they were before, by area, and enlarged by bicubic interpolation.

    Args:
        factor (int): By which the degradation made frames smaller.
    """

    title = 'Bicubic'
    needs = MethodNeeds(licence='Apache-2.0')

    def __init__(self, factor: Count = 4) -> None:
        self._factor = factor

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Reduce and enlarge frames, see `Method.restore`."""
        for frame in frames:
            height, width = frame.shape[-2:]
            reduced_size = max(1, height // self._factor), max(1, width // self._factor)
            reduced = F.interpolate(frame[None], reduced_size, mode='area')
            yield F.interpolate(reduced, (height, width), mode='bicubic', align_corners=False)[0].clamp(0, 1)
