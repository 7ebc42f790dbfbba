"""Frames at the size that a method takes, and its results at the size of the frames."""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor
from torch.nn import functional as F

from ..errors import require
from .method import MethodNeeds

__all__ = ['restore_at_size']


def restore_at_size(
    frames: Iterable[Tensor], needs: MethodNeeds, title: str, restore: Callable[[Iterator[Tensor]], Iterator[Tensor]]
) -> Iterator[Tensor]:
    """Restore frames at the size that a method takes, and resize the results back.

    Frames that have that size stay as they are. Others shrink by area and grow by bicubic interpolation.

    Args:
        frames (Iterable[Tensor]): (3, H, W), float in [0, 1], all of one size.
        needs (MethodNeeds): Of the method.
        title (str): What messages call it.
        restore (Callable): Maps frames of its size to as many results, `needs.scale` times as large.

    Yields:
        Tensor: (3, scale * H, scale * W), in [0, 1].

    Raises:
        UserError: The method takes square frames, and these are not.
    """
    size = 0, 0

    def fitted() -> Iterator[Tensor]:
        nonlocal size
        for frame in frames:
            height, width = frame.shape[-2:]
            size = height, width
            yield _resized(frame, _fitting_size(height, width, needs, title))

    for result in restore(fitted()):
        yield _resized(result, (size[0] * needs.scale, size[1] * needs.scale)).clamp(0, 1)


def _fitting_size(height: int, width: int, needs: MethodNeeds, title: str) -> tuple[int, int]:
    if needs.size is not None:
        require(
            height == width,
            f'{title} restores square frames of an aligned face, not {width}x{height}: align or crop them first',
        )
        return needs.size, needs.size
    scale = max(1, needs.minimum / min(height, width))
    fitting_height, fitting_width = (
        round(length * scale / needs.multiple_of) * needs.multiple_of for length in (height, width)
    )
    return max(fitting_height, needs.minimum), max(fitting_width, needs.minimum)


def _resized(frame: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (3, H, W) to (height, width)."""
    if frame.shape[-2:] == size:
        return frame
    if size[0] * size[1] < frame.shape[-2] * frame.shape[-1]:
        return F.interpolate(frame[None], size, mode='area')[0]
    return F.interpolate(frame[None], size, mode='bicubic', align_corners=False)[0]
