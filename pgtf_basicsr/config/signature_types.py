"""Types that values in a file must have for the parameters of a function, by annotation or by default."""

import inspect
import types
import typing
from collections import abc
from typing import Annotated, Any, Literal, Union

from annotated_types import Len
from pydantic import AfterValidator, TypeAdapter, ValidationError

from .value_types import Words, annotated, name_of, refuse, shown, without_name

__all__ = ['type_of_annotation', 'type_of_default']

PLAIN = (bool, int, float, str)


def type_of_annotation(annotation: Any, default: Any = inspect.Parameter.empty) -> Any:
    """Return the type that a YAML value must have for a parameter with this annotation; Any where it does not say.

    Lists stand for all sequences. Members of a union that YAML cannot give, such as tensors, are skipped.
    """
    checked = _checked(annotation)
    return checked | None if default is None and checked is not Any else checked


def type_of_default(default: Any) -> Any:
    """Return the type that a YAML value must have for a parameter without annotation, judged by its default.

    It refuses only what cannot be meant: text, true or a section for a number, anything but true and false for a
    switch. A list of numbers may stand for a number, a fraction for an integer, and null for any of them.
    """
    for kind, check in (
        (bool, _switch),
        ((int, float), _number_like(default)),
        (str, _text),
        ((list, tuple), _listed),
        (dict, _section),
    ):
        if isinstance(default, kind):
            return Annotated[Any, AfterValidator(check), Words(name_of(type(default)))]
    return Any


def _checked(annotation):
    annotation = without_name(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in PLAIN or annotation in (list, dict) or origin is Literal:
        return annotation
    if annotation in (tuple, abc.Sequence):
        return list
    if origin is Annotated:
        inner = _checked(arguments[0])
        return inner if inner is Any else annotated(inner, arguments[1:])
    if origin in (list, abc.Sequence, abc.Iterable) or (origin is tuple and arguments[1:] == (...,)):
        return list[_checked(arguments[0])]
    if origin is tuple:
        kinds = {_checked(argument) for argument in arguments}
        return Annotated[list[kinds.pop() if len(kinds) == 1 else Any], Len(len(arguments), len(arguments))]
    if origin is dict:
        return dict[_checked(arguments[0]), _checked(arguments[1])]
    if origin in (Union, types.UnionType):
        return _union(arguments)
    return Any


def _union(arguments):
    kinds = list(dict.fromkeys(_checked(argument) for argument in arguments if argument is not type(None)))
    kinds = [kind for kind in kinds if kind is not Any]
    if float in kinds and int in kinds:
        kinds.remove(int)
    if not kinds:
        return Any
    kind = kinds[0] if len(kinds) == 1 else Annotated[Any, AfterValidator(_any_of(kinds))]
    return kind | None if type(None) in arguments else kind


def _any_of(kinds):
    adapters = [TypeAdapter(kind, config={'strict': True}) for kind in kinds]

    def check(value):
        for adapter in adapters:
            try:
                return adapter.validate_python(value)
            except ValidationError:
                continue
        refuse(f' is {shown(value)}; it must be {" or ".join(map(name_of, kinds))}')

    return check


def _switch(value):
    if value is not None and not isinstance(value, bool) and value not in (0, 1):
        refuse(f' is {shown(value)}; it must be true or false')
    return value


def _number_like(default):
    def check(value):
        is_flag = isinstance(value, bool) and isinstance(default, int) and default in (0, 1)
        if isinstance(value, (str, dict)) or (isinstance(value, bool) and not is_flag):
            refuse(f' is {shown(value)}; it must be a number')
        return value

    return check


def _text(value):
    if value is not None and not isinstance(value, str):
        refuse(f' is {shown(value)}; it must be text')
    return value


def _listed(value):
    if isinstance(value, (str, dict, bool)):
        refuse(f' is {shown(value)}; it must be a list')
    return value


def _section(value):
    if value is not None and not isinstance(value, dict):
        refuse(f' is {shown(value)}; it must be a section with keys of its own')
    return value
