"""Base of methods that restore a frame from that frame alone, with a network."""

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ..devices import PRECISIONS, find_device
from ..restoration.streaming import run_windows
from .fitting import restore_at_size
from .method import Method

__all__ = ['FrameMethod']


class FrameMethod(Method):
    """Restores each frame by itself. A subclass builds the network, and says what of its output is the frame.

    Args:
        net (nn.Module): With its weights.
        device (str): As of `devices.find_device`.
        precision (str): One of `devices.PRECISIONS`; the weights stay fp32.

    Attributes:
        net (nn.Module): The same, on the device, in eval mode.

    Raises:
        UserError: This machine has no such device.
    """

    def __init__(self, net: nn.Module, device: str = 'auto', precision: str = 'fp32') -> None:
        self._device = find_device(device)
        self._dtype = PRECISIONS[precision]
        self.net = net.to(self._device).eval().requires_grad_(False)

    def run_network(self, frame: Tensor) -> Tensor:
        """Restore a frame (1, 3, H, W) of the network's range, to (1, 3, scale * H, scale * W) of the same range."""
        return self.net(frame)

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Restore the frames of a clip one by one, see `Method.restore`."""
        return restore_at_size(frames, self.needs, self.title, self._restore)

    def _restore(self, frames: Iterator[Tensor]) -> Iterator[Tensor]:
        autocast = partial(torch.autocast, self._device.type, self._dtype, enabled=self._dtype != torch.float32)
        return run_windows(self._scaled, self._restored, frames, 1, device=self._device, autocast=autocast)

    def _scaled(self, frame: Tensor) -> Tensor:
        low, high = self.needs.value_range
        return frame * (high - low) + low

    def _restored(self, frames: list[Tensor], _: slice) -> Tensor:
        low, high = self.needs.value_range
        return (self.run_network(frames[0]).float()[:, None] - low) / (high - low)
