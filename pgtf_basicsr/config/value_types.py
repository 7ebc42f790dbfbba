"""Types of option values, as strict as YAML allows: '3' is not a number, true is not one either, 3 is a float."""

import difflib
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, Union, get_args

import numpy as np
from pydantic import AfterValidator, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ..files import is_file_name

__all__ = [
    'FILE_CHECK',
    'MISSING_FILE',
    'USE',
    'Between',
    'ExistingFile',
    'ExistingPath',
    'FileName',
    'NumberOfGPUs',
    'OneOf',
    'RunName',
    'Words',
    'annotated',
    'as_in_yaml',
    'existing_file',
    'existing_path',
    'in_file_check',
    'name_of',
    'nearest',
    'refuse',
    'shown',
    'without_name',
]

# What options are read for, as pydantic's context: the check of a file, which looks for the files that it names and
# tries out what is registered as well; or their use, which looks at values alone.
FILE_CHECK, USE = {'purpose': 'check'}, {'purpose': 'use'}
MISSING_FILE = 'missing_file'
BOUNDS = {'gt': 'above', 'ge': 'at least', 'lt': 'below', 'le': 'at most'}


def refuse(message: str, kind: str = 'refused') -> NoReturn:
    """Raise a mistake in a validator; ``message`` continues the option's name, such as ': ...' or ' is ...'."""
    # Pydantic fills in braces; text that comes from a file may hold some.
    raise PydanticCustomError(kind, '{message}', {'message': message})


def nearest(name: Any, known: Iterable[Any], cutoff: float = 0.6) -> str | None:
    """Return the known name that looks most like ``name``, or None."""
    near = difflib.get_close_matches(str(name), [str(item) for item in known], n=1, cutoff=cutoff)
    return near[0] if near else None


def shown(value: Any) -> str:
    """Show a value as it would stand in a file, cut where it is long."""
    if value is None or isinstance(value, bool):
        return '~' if value is None else str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:60]}...'


def as_in_yaml(value: Any) -> Any:
    """Copy options with paths, tuples and NumPy's numbers replaced by what YAML has in their place."""
    if isinstance(value, dict):
        return {key: as_in_yaml(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_in_yaml(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value


def in_file_check(check: Callable[[Any], Any]) -> AfterValidator:
    """Make a validator that does not run where options are used."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        return value if info.context == USE else check(value)

    return AfterValidator(validate)


def existing_path(value: str) -> str:
    """Refuse a path at which there is nothing."""
    if not os.path.exists(os.path.expanduser(value)):
        refuse(f': {value} does not exist (looked in {os.getcwd()})', MISSING_FILE)
    return value


def existing_file(value: str) -> str:
    """Refuse a path at which there is no file."""
    existing_path(value)
    if not os.path.isfile(os.path.expanduser(value)):
        refuse(f': {value} is not a file', MISSING_FILE)
    return value


@dataclass(frozen=True)
class Words:
    """Metadata of a type: what the reference calls it, where its own name would not say it."""

    words: str


@dataclass(frozen=True)
class OneOf:
    """Metadata of a type: the values that there are."""

    choices: tuple[Any, ...]

    @property
    def words(self) -> str:
        return ', '.join(map(str, self.choices))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value not in self.choices:
            refuse(f' is {shown(value)}; it must be one of {self.words}')
        return value


@dataclass(frozen=True)
class Between:
    """Metadata of a tuple of two numbers in order, both between low and high; a list in a file."""

    low: float
    high: float

    @property
    def words(self) -> str:
        return f'[low, high] between {self.low:g} and {self.high:g}'

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind = get_args(source)[0]
        of_numbers = (int,) if kind is int else (int, float)

        def check(value: Any) -> Any:
            are_numbers = isinstance(value, (list, tuple)) and all(
                isinstance(item, of_numbers) and not isinstance(item, bool) for item in value
            )
            if not are_numbers or len(value) != 2 or not self.low <= value[0] <= value[1] <= self.high:
                numbers = 'integers' if kind is int else 'numbers'
                refuse(f' is {shown(value)}; it must be two {numbers} {self.words}')
            return tuple(value)

        return core_schema.no_info_plain_validator_function(check)


def name_of(kind: Any) -> str:
    """Name a type in a user's words."""
    words = {
        bool: 'true or false',
        int: 'integer',
        float: 'number',
        str: 'text',
        list: 'list',
        dict: 'section',
        tuple: 'list',
        Any: 'any',
    }
    kind = without_name(kind)
    origin, arguments = typing.get_origin(kind), get_args(kind)
    if kind in words:
        return words[kind]
    if origin is Annotated:
        return _name_of_annotated(arguments[0], arguments[1:])
    if origin is Literal:
        return ', '.join(argument if isinstance(argument, str) else shown(argument) for argument in arguments)
    if origin is list:
        return f'list of: {name_of(arguments[0])}'
    if origin is dict:
        return f'section of: {name_of(arguments[1])}'
    if origin in (Union, types.UnionType):
        return ' or '.join('~' if argument is type(None) else name_of(argument) for argument in arguments)
    return 'section' if inspect.isclass(kind) else 'any'


def _name_of_annotated(kind: Any, metadata: tuple[Any, ...]) -> str:
    named = [item.words for item in metadata if hasattr(item, 'words')]
    bounds = {bound: getattr(item, bound) for item in metadata for bound in BOUNDS if hasattr(item, bound)}
    name = named[0] if named else name_of(kind)
    if name.startswith('integer') and bounds.get('ge') == 1:
        name = f'positive {name}'
        del bounds['ge']
    return ', '.join([name, *(f'{BOUNDS[bound]} {limit}' for bound, limit in bounds.items())])


def _number_of_gpus(value):
    if value != 'auto' and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        refuse(f' is {shown(value)}; it must be an integer, 0 or more, or auto')
    return value


def _run_name(value):
    # It becomes a folder below experiments/ or results/.
    if not value.strip() or os.path.isabs(value) or '..' in value.split('/') or '\0' in value:
        refuse(f' is {shown(value)}; it must be the name of a folder')
    return value


def _file_name(value):
    if not is_file_name(value):
        refuse(f' is {shown(value)}; it must be a name of one folder or file, without /')
    return value


ExistingPath = Annotated[str, in_file_check(existing_path), Words('file or folder')]
ExistingFile = Annotated[str, in_file_check(existing_file), Words('file')]
NumberOfGPUs = Annotated[Any, AfterValidator(_number_of_gpus), Words('integer or auto')]
FileName = Annotated[str, AfterValidator(_file_name)]
RunName = Annotated[str, AfterValidator(_run_name)]


def annotated(kind: Any, metadata: Iterable[Any]) -> Any:
    """Return a type with further metadata, as ``Annotated[kind, *metadata]`` of Python 3.11."""
    for item in metadata:
        kind = Annotated[kind, item]
    return kind


def without_name(kind: Any) -> Any:
    """Return the type that a named alias, such as those of ``argument_types``, stands for; others as they are."""
    # typing and typing_extensions have a class of their own each.
    return getattr(kind, '__value__', kind)
