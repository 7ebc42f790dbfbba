"""Frames on their way to a GPU and back, while it works."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

__all__ = ['begin_fetch', 'fetch', 'send']

Position = TypeVar('Position')


def send(frame: Tensor, device: str | torch.device) -> Tensor:
    """Copy a frame from the CPU to a device; to a GPU through pinned memory, without waiting for it."""
    if torch.device(device).type == 'cuda' and not frame.is_cuda:
        frame = frame.pin_memory()
    return frame.to(device, non_blocking=True)


def begin_fetch(result: Tensor) -> Callable[[], Tensor]:
    """Begin to copy a result to the CPU, from a GPU while it goes on with its work.

    Returns:
        Callable: Waits for the copy and returns it.
    """
    if not result.is_cuda:
        return result.cpu
    copy = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
    copy.copy_(result, non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(result.device))

    def wait() -> Tensor:
        done.synchronize()
        return copy

    return wait


def fetch(results: Iterable[tuple[Position, Tensor]]) -> Iterator[tuple[Position, Tensor]]:
    """Copy results to the CPU; those of a GPU while it computes the next one.

    Args:
        results (Iterable): Pairs of anything and a tensor on any device.

    Yields:
        tuple: The same, with the tensor on the CPU. Those of a GPU come when the next one has been launched.
    """
    waiting: tuple[Position, Callable[[], Tensor]] | None = None
    for position, result in results:
        fetched = begin_fetch(result)
        if not result.is_cuda:
            yield position, fetched()
            continue
        if waiting:
            yield waiting[0], waiting[1]()
        waiting = position, fetched
    if waiting:
        yield waiting[0], waiting[1]()
