"""Refusal of options that a metric does not take, where nobody has checked the option file."""

from collections.abc import Callable, Mapping
from typing import Any

from ..config.signatures import parameters_of
from ..config.value_types import nearest
from ..errors import UserError

__all__ = ['refuse_unknown_options']

# What BasicSR's models hand to every metric: real frames, and which scores are the better ones.
HANDED_TO_ALL = ('img2', 'better')


def refuse_unknown_options(metric: Callable[..., Any], others: Mapping[str, Any]) -> None:
    """Refuse what is left of a metric's keyword arguments, but for those that BasicSR hands to every metric.

    Args:
        metric (Callable): The metric.
        others (dict): Its ``**kwargs``.

    Raises:
        UserError: There is an option that it does not take; one line.
    """
    for name in others:
        if name not in HANDED_TO_ALL:
            known = [parameter.name for parameter in parameters_of(metric)[0]]
            near = nearest(name, known)
            hint = f'; did you mean {near}?' if near else ''
            raise UserError(f'{metric.__name__}: there is no such option as {name}{hint}')
