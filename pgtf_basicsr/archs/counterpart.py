"""The one way in which layers of a network are replaced by faster ones, for inference or for training."""

from collections.abc import Mapping
from typing import cast

from torch import nn

__all__ = ['Counterpart', 'replace']


class Counterpart(nn.Module):
    """Base of what takes the place of a layer: a subclass of the layer's class that computes the same, faster.

    A layer changes its class and keeps parameters, name and place.
    """

    def prepare(self) -> None:
        """Arrange what the layer has for its new class; called once, by :func:`replace`."""


def replace(module: nn.Module, counterparts: Mapping[type[nn.Module], type[Counterpart]]) -> None:
    """Change the class of a module and of all modules below it to their counterparts, where they have one."""
    for layer in list(module.modules()):
        counterpart = counterparts.get(type(layer))
        if counterpart:
            layer.__class__ = counterpart
            cast(Counterpart, layer).prepare()
