"""What changes how BasicSR trains: optimizers, averages, learning rates.

Each function takes what BasicSR has and returns what takes its place; `patches` says why.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

from ..errors import UserError

__all__ = [
    'any_optimizer',
    'ema_with_buffers',
    'held_after_last_period',
    'knows_few_optimizers',
    'learning_rate_after_warmup',
    'set_learning_rates',
]


def any_optimizer(_: Callable) -> Callable:
    """Let ``BaseModel.get_optimizer`` build any optimizer of torch.optim."""

    def get_optimizer(self, optim_type, params, lr, **kwargs):
        optimizer_type = getattr(torch.optim, optim_type, None)
        if optimizer_type is None:
            raise UserError(f'torch.optim has no optimizer {optim_type}')
        return optimizer_type(params, lr=lr, **kwargs)

    return get_optimizer


def knows_few_optimizers(get_optimizer: Callable) -> bool:
    """Whether ``BaseModel.get_optimizer`` knows optimizers from a list, such as Adam alone."""
    try:
        get_optimizer(None, 'NAdam', [torch.nn.Parameter(torch.zeros(1))], 1e-3)
    except NotImplementedError:
        return True
    return False


def ema_with_buffers(_: Callable) -> Callable:
    """Let ``BaseModel.model_ema`` take over buffers as they are."""

    @torch.no_grad()
    def model_ema(self, decay=0.999):
        net, ema = self.get_bare_model(self.net_g), self.get_bare_model(self.net_g_ema)
        for averaged, parameter in zip(ema.parameters(), net.parameters()):
            averaged.lerp_(parameter, 1 - decay)
        for averaged, buffer in zip(ema.buffers(), net.buffers()):
            averaged.copy_(buffer)

    return model_ema


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
