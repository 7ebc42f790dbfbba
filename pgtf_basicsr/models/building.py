"""Networks and losses, built from the sections of an option file that name them."""

from typing import Any

from basicsr.archs import build_network as build_registered_network
from basicsr.losses import build_loss as build_registered_loss
from basicsr.utils import get_root_logger
from torch import nn

from ..errors import UserError

__all__ = ['build_loss', 'build_network', 'is_used', 'log_parameters']


def build_network(name: str, section: dict[str, Any]) -> Any:
    """Build the network of a section.

    Args:
        name (str): Name of the section, for messages.
        section (dict): Registered type and arguments.

    Raises:
        UserError: The network does not take these arguments.
    """
    try:
        return build_registered_network(section)
    except (TypeError, ValueError) as error:
        raise UserError(f'{name}: {section["type"]} cannot be built from these options: {error}') from error


def build_loss(name: str, section: dict[str, Any] | None) -> Any:
    """Build the loss of a section; None where there is none, or its ``weights`` are null.

    Args:
        name (str): Name of the section, for messages.
        section (dict | None): Registered type and arguments.

    Raises:
        UserError: The loss does not take these arguments.
    """
    if not section:
        return None
    if not is_used(section):
        get_root_logger().warning(f'{name}: no file of weights given, {section["type"]} is skipped.')
        return None
    try:
        return build_registered_loss(section)
    except (TypeError, ValueError) as error:
        raise UserError(f'{name}: {section["type"]} cannot be built: {error}') from error


def is_used(section: dict[str, Any] | None) -> bool:
    """Say whether there is a loss that is not skipped for want of weights."""
    return section is not None and bool(section) and section.get('weights', '') is not None


def log_parameters(net: nn.Module) -> None:
    """Log the number of parameters of each module of a network, and how many of them are trained."""
    message = f'Network: {type(net).__name__}, with parameters: {_count_parameters(net):,d}'
    for name, module in net.named_children():
        trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
        message += f'\n\t{name}: {_count_parameters(module):,d}, of which {trained:,d} learn'
    get_root_logger().info(message)


def _count_parameters(net):
    return sum(p.numel() for p in net.parameters())
