"""Optimizers, built from the sections of an option file that name them."""

import inspect
from typing import Any

import torch
from torch import nn

from ..errors import UserError

__all__ = ['build_optimizer']


def build_optimizer(name: str, section: dict[str, Any], net: nn.Module) -> torch.optim.Optimizer:
    """Build the torch optimizer of a section for the parameters of a network that are not frozen.

    Args:
        name (str): Name of the section, for messages.
        section (dict): Type of torch.optim and its arguments.
        net (nn.Module): The network.

    Raises:
        UserError: torch has no such optimizer.
    """
    arguments = dict(section)
    type_name = arguments.pop('type')
    optimizer_type = getattr(torch.optim, type_name, None)
    if optimizer_type is None:
        raise UserError(f'{name}.type: torch.optim has no {type_name}')
    if 'fused' in inspect.signature(optimizer_type).parameters:
        # One kernel for all parameters, four times as fast as the default even on CPU.
        arguments.setdefault('fused', True)
    return optimizer_type([p for p in net.parameters() if p.requires_grad], **arguments)
