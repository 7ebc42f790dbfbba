"""Which optimizers BasicSR builds; `patches` says why."""

from collections.abc import Callable

import torch

from ..errors import UserError

__all__ = ['any_optimizer', 'knows_few_optimizers']


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
