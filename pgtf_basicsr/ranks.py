"""What one process finds out or decides, and all must act on alike."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import distributed as dist

from .errors import SharedError, UserError

__all__ = ['average_in_rank_order', 'gathered', 'on_all_ranks', 'on_rank_0']

T = TypeVar('T')


def gathered(value: T) -> list[T]:
    """The values of all ranks as a list; every rank must call it."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def on_rank_0(function: Callable[[], T]) -> T:
    """Call a function on rank 0 alone and return its result on every rank.

    Raises:
        SharedError: On every rank, with the message of the UserError that rank 0 raised.
    """
    if not dist.is_initialized():
        return function()
    outcome: list[Any] = [None, None]
    if dist.get_rank() == 0:
        outcome = list(_outcome(function))
    dist.broadcast_object_list(outcome, 0)
    result, mistake = outcome
    if mistake is not None:
        raise SharedError(*mistake)
    return result


def on_all_ranks(function: Callable[[], T]) -> T:
    """Call a function on every rank and return its result there, if it went well on all of them.

    Raises:
        SharedError: On every rank, with the message of the first UserError of any.
    """
    if not dist.is_initialized():
        return function()
    result, mistake = _outcome(function)
    mistakes = [other for other in gathered(mistake) if other is not None]
    if mistakes:
        raise SharedError(*mistakes[0])
    return result


def average_in_rank_order(_: Any, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """Communication hook of DistributedDataParallel that gives the same bits however gradients lie in their bucket.

    Where a gradient lies decides in which order an ordinary all-reduce sums it over three and more ranks, and
    DistributedDataParallel moves gradients after its first iteration: a resumed run would differ in the last bits.
    It sends each gradient to every rank, so it is for runs on the CPU, which are few and small.
    """
    parts = [torch.empty_like(bucket.buffer()) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, bucket.buffer())
    total, *others = parts
    for part in others:
        total += part
    average: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    average.set_result(total.div_(dist.get_world_size()))
    return average


def _outcome(function: Callable[[], Any]) -> tuple[Any, tuple[str, ...] | None]:
    """(result, None), or (None, lines of the message) of a UserError."""
    try:
        return function(), None
    except UserError as error:
        return None, error.args
