"""Learning rates of BasicSR's models: warm-up and schedules; `patches` says why."""

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ['held_after_last_period', 'learning_rate_after_warmup', 'set_learning_rates']


def learning_rate_after_warmup(_: Callable) -> Callable:
    """Let ``BaseModel.update_learning_rate`` return to the schedule after a warm-up."""
    return set_learning_rates


def set_learning_rates(self: Any, current_iter: int, warmup_iter: int = -1) -> None:
    """Set a model's learning rates: the schedule's, or before ``warmup_iter`` a linear part of the first one.

    Args:
        self (BaseModel): The model.
        current_iter (int): The iteration, from 1 on.
        warmup_iter (int): The first iteration without warm-up. Default: no warm-up.
    """
    if current_iter > 1:
        for scheduler in self.schedulers:
            for group, scheduled in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr()):
                group['lr'] = scheduled
            scheduler.step()
    if current_iter < warmup_iter:
        self._set_lr([[rate / warmup_iter * current_iter for rate in rates] for rates in self._get_init_lr()])


def held_after_last_period(get_lr: Callable) -> Callable:
    """Let ``CosineAnnealingRestartLR`` keep its last rate once its periods are over."""

    @wraps(get_lr)
    def wrapper(self):
        epoch = self.last_epoch
        self.last_epoch = min(epoch, self.cumulative_period[-1])
        try:
            return get_lr(self)
        finally:
            self.last_epoch = epoch

    return wrapper
