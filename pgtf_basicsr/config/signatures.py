"""Sections that hold the arguments of a class or function, read from its signature."""

import functools
import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

from pydantic import Field, create_model

from .sections import Section
from .signature_types import type_of_annotation, type_of_default

__all__ = ['arguments_of', 'parameters_of']


@functools.cache
def arguments_of(
    item: Callable[..., Any],
    skipped: tuple[str, ...] = (),
    known: tuple[tuple[str, Any], ...] = (),
    closed: bool = False,
) -> type[Section]:
    """Describe the arguments of a class or function.

    Args:
        item (Callable): The class or function. A ``**kwargs`` of a constructor goes to the next class that has one.
        skipped (tuple[str]): Arguments that no option gives.
        known (tuple): Pairs of an argument and its type, for those without annotation.
        closed (bool): Refuse unknown arguments even where the signature takes any.

    Returns:
        type: A :class:`Section` with a field for each argument.
    """
    parameters, takes_any = parameters_of(item)
    types = dict(known)
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(parameters):
        name, default, annotation = parameter.name, parameter.default, parameter.annotation
        if name in skipped:
            continue
        if name in types:
            kind = types[name]
        elif annotation is parameter.empty:
            kind = type_of_default(_documented_default(item, name) if default is parameter.empty else default)
        else:
            kind = type_of_annotation(annotation, default)
        # A default is not checked; `...` is pydantic's word for a field without one.
        fields[f'argument_{number}'] = (kind, Field(... if default is parameter.empty else default, alias=name))
    described = create_model(item.__name__, __base__=Section, **fields)
    described.is_open = takes_any and not closed
    return described


def parameters_of(item: Callable[..., Any]) -> tuple[list[inspect.Parameter], bool]:
    """Return the parameters that a class or function takes by name, and whether it takes any other.

    Returns:
        tuple: A list of inspect.Parameter, annotations resolved; a bool.
    """
    functions = [item]
    if inspect.isclass(item):
        functions = [vars(ancestor)['__init__'] for ancestor in item.__mro__ if '__init__' in vars(ancestor)]
    found: dict[str, inspect.Parameter] = {}
    for function in functions:
        takes_any = False
        annotations = _annotations(function)
        parameters = list(inspect.signature(function).parameters.values())
        for parameter in parameters[1:] if inspect.isclass(item) else parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_any = True
            elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                annotation = annotations.get(parameter.name, parameter.annotation)
                found.setdefault(parameter.name, parameter.replace(annotation=annotation))
        if not takes_any:
            return list(found.values()), False
    return list(found.values()), True


def _documented_default(item, name):
    """Return an example of the type that the docstring gives a parameter without annotation and default, or None."""
    known = {'bool': False, 'float': 0.5, 'int': 2, 'str': ''}
    said = re.search(rf'^ *{name} \((bool|float|int|str)\):', item.__doc__ or '', re.MULTILINE)
    return known[said[1]] if said else None


def _annotations(function):
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # A plugin's annotations may name whatever its type checker alone can see.
        return dict.fromkeys(getattr(function, '__annotations__', ()), inspect.Parameter.empty)
