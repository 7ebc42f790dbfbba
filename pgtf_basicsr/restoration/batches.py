"""How many windows go through the network in one pass."""

from collections import deque
from functools import partial
from itertools import repeat

import torch

from ..archs import PGTFormer
from .networks import batch_that_fits
from .settings import Settings
from .streaming import restore_frames

__all__ = ['choose_batch_size']


def choose_batch_size(net: PGTFormer, size: tuple[int, int], device: torch.device, settings: Settings) -> int:
    """Choose the number of windows: that of the settings, or by trial, see `networks.batch_that_fits`.

    Args:
        net (PGTFormer): In evaluation mode, on the device.
        size (tuple[int, int]): Width and height of what the network sees, in pixels.
        device (torch.device): The device.
        settings (Settings): Batch, stride and fidelity.
    """
    if settings.batch_size != 'auto':
        return settings.batch_size
    return batch_that_fits(partial(_restore_blank, net, size, device, settings), device)


def _restore_blank(
    net: PGTFormer, size: tuple[int, int], device: torch.device, settings: Settings, windows: int
) -> None:
    """Restore as many blank frames as two passes of that many windows need: in the second a graph is recorded."""
    stride = settings.stride
    frames = repeat(torch.zeros(3, *reversed(size)), net.num_frames + (2 * windows - 1) * stride)
    deque(restore_frames(net, frames, stride, windows, device, fidelity=settings.fidelity), maxlen=0)
