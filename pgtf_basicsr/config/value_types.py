"""Types of option values, as strict as YAML allows: '3' is no number, true is none either, 3 is a float."""

import difflib
import inspect
import os
import types
import typing
from collections import abc
from typing import Annotated, Any, Literal, Union

from annotated_types import Len
from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

__all__ = [
    'ExistingFile',
    'ExistingPath',
    'NumberOfGPUs',
    'RunName',
    'Words',
    'name_of',
    'nearest',
    'refuse',
    'shown',
    'type_of_annotation',
    'type_of_default',
]

MISSING_FILE = 'missing_file'
PLAIN = (bool, int, float, str)
BOUNDS = {'gt': 'above', 'ge': 'at least', 'lt': 'below', 'le': 'at most'}


def refuse(message, kind='refused'):
    """Raise a mistake in a validator; ``message`` goes on after the option's name, such as ': ...' or ' is ...'."""
    # Pydantic fills in braces; text that comes from a file may hold some.
    raise PydanticCustomError(kind, '{message}', {'message': message})


def nearest(name, known, cutoff=0.6):
    """The known name that looks most like ``name``, or None."""
    near = difflib.get_close_matches(str(name), [str(item) for item in known], n=1, cutoff=cutoff)
    return near[0] if near else None


def shown(value):
    """A value as it would stand in a file, cut where it is long."""
    if value is None or isinstance(value, bool):
        return '~' if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:60]}...'


def type_of_annotation(annotation, default=inspect.Parameter.empty):
    """What a YAML value must be for a parameter annotated so; Any where the annotation does not tell.

    Lists stand for all sequences.  Of a union, the members that YAML cannot give, such as tensors, are left out.
    """
    checked = _checked(annotation)
    return checked | None if default is None and checked is not Any else checked


def type_of_default(default):
    """What a YAML value must be for a parameter without annotation, judged by its default.

    Only what cannot be meant is refused: text, true or a section for a number, anything but true and false for
    a switch.  A number may have a list of numbers in its place, an integer a fraction, and all of them null.
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
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in PLAIN or annotation in (list, dict) or origin is Literal:
        return annotation
    if annotation in (tuple, abc.Sequence):
        return list
    if origin is Annotated:
        inner = _checked(arguments[0])
        return inner if inner is Any else Annotated[(inner, *arguments[1:])]
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


def _existing_path(value):
    if not os.path.exists(os.path.expanduser(value)):
        refuse(f': {value} does not exist (looked in {os.getcwd()})', MISSING_FILE)
    return value


def _existing_file(value):
    _existing_path(value)
    if not os.path.isfile(os.path.expanduser(value)):
        refuse(f': {value} is no file', MISSING_FILE)
    return value


def _number_of_gpus(value):
    if value != 'auto' and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        refuse(f' is {shown(value)}; it must be a whole number from 0 on, or auto')
    return value


def _run_name(value):
    # It becomes a folder below experiments/ or results/.
    if not value.strip() or os.path.isabs(value) or '..' in value.split('/') or '\0' in value:
        refuse(f' is {shown(value)}; it must be the name of a folder')
    return value


def name_of(kind):
    """A type in a user's words."""
    words = {
        bool: 'true or false',
        int: 'whole number',
        float: 'number',
        str: 'text',
        list: 'list',
        dict: 'section',
        tuple: 'list',
        Any: 'any',
    }
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in words:
        return words[kind]
    if origin is Annotated:
        named = [item.words for item in arguments[1:] if isinstance(item, Words)]
        bounds = [
            f'{words} {getattr(item, bound)}'
            for item in arguments[1:]
            for bound, words in BOUNDS.items()
            if hasattr(item, bound)
        ]
        return ', '.join([named[0] if named else name_of(arguments[0]), *bounds])
    if origin is Literal:
        return ', '.join(argument if isinstance(argument, str) else shown(argument) for argument in arguments)
    if origin is list:
        return f'list of: {name_of(arguments[0])}'
    if origin is dict:
        return f'section of: {name_of(arguments[1])}'
    if origin in (Union, types.UnionType):
        return ' or '.join('~' if argument is type(None) else name_of(argument) for argument in arguments)
    return 'section' if inspect.isclass(kind) else 'any'


class Words:
    """What a type is called in the reference, where its own name would not say it."""

    def __init__(self, words):
        self.words = words


ExistingPath = Annotated[str, AfterValidator(_existing_path), Words('file or folder')]
ExistingFile = Annotated[str, AfterValidator(_existing_file), Words('file')]
NumberOfGPUs = Annotated[Any, AfterValidator(_number_of_gpus), Words('whole number or auto')]
RunName = Annotated[str, AfterValidator(_run_name)]
