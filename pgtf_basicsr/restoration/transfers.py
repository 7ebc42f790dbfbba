"""Frames on their way to a GPU and back, while it works."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ['fetch', 'send']

Position = TypeVar('Position')


def send(frame: Tensor, device: str | torch.device) -> Tensor:
    """Copy a frame from the CPU to a device; to a GPU through pinned memory, without waiting for it."""
    if torch.device(device).type == 'cuda' and not frame.is_cuda:
        frame = frame.pin_memory()
    return frame.to(device, non_blocking=True)


def fetch(results: Iterable[tuple[Position, Tensor]]) -> Iterator[tuple[Position, Tensor]]:
    """Copy results to the CPU; those of a GPU while it computes the next one.

    Args:
        results (Iterable): Pairs of anything and a tensor on any device.

    Yields:
        tuple: The same, with the tensor on the CPU. Those of a GPU come when the next one has been launched.
    """
    waiting: tuple[Position, Tensor, torch.cuda.Event] | None = None
    for position, result in results:
        if not result.is_cuda:
            yield position, result.cpu()
            continue
        copy = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        copy.copy_(result, non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(result.device))
        if waiting:
            waiting[2].synchronize()
            yield waiting[:2]
        waiting = position, copy, done
    if waiting:
        waiting[2].synchronize()
        yield waiting[:2]
