"""Sections of an option file: typed keys, and an answer to keys that are not described."""

import inspect
import types
import typing
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from typing_extensions import Self

from ..errors import UserError
from .mistakes import first_mistake
from .value_types import USE, annotated, as_in_yaml, nearest, refuse, shown

__all__ = ['Section', 'members_of', 'section_in', 'type_of']


class Section(BaseModel):
    """Base of typed options: each field is a key, with its type, its default and what it means.

    The check of an option file validates sections against it, and the code reads its options from it::

        options = RainOptions.from_options(opt, 'dataset rain')
        options.drops
    """

    model_config = ConfigDict(extra='forbid', strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=())

    # Keys of one kind and many names, {'network_*': (type, meaning)}.
    families: ClassVar[dict[str, tuple[Any, str]]] = {}
    # Whether keys may be somebody else's: the check then refuses only those that look like a described key misspelt.
    is_open: ClassVar[bool] = False
    # Whether the code, too, refuses all keys that are not described. Else it passes over those that are none misspelt:
    # BasicSR adds its own.
    is_exact: ClassVar[bool] = False

    @classmethod
    def from_options(cls, options: dict[str, Any], where: str) -> Self:
        """Read options from a plain dict, as BasicSR hands it to a registered class.

        Nothing is looked for on the disk, and nothing is built: that is for the check of a file.

        Args:
            options (dict): The options. Paths, tuples and NumPy's numbers may stand for what YAML has in their place.
            where (str): What a message begins with, such as 'dataset clips'.

        Raises:
            UserError: A value is missing or wrong; one line that names the first.
        """
        try:
            return cls.model_validate(as_in_yaml(options), context=USE)
        except ValidationError as error:
            raise UserError(f'{where}: {first_mistake(error)}') from None

    @classmethod
    def with_defaults(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Copy options and add the defaults of what they leave out, in the sections that they have."""
        completed = dict(options)
        for key, field in zip(cls.described_keys(), cls.model_fields.values()):
            if key in completed:
                section = section_in(type_of(field))
                if section is not None and isinstance(completed[key], dict):
                    completed[key] = section.with_defaults(completed[key])
            elif not field.is_required():
                completed[key] = field.get_default(call_default_factory=True)
        return completed

    @classmethod
    def default(cls, key: str) -> Any:
        """Return the default of a described key."""
        return cls.model_fields[key].default

    @classmethod
    def described_keys(cls) -> list[str]:
        """Return the described keys, as they stand in a file."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @model_validator(mode='wrap')
    @classmethod
    def _read_keys(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        if isinstance(value, cls):
            return handler(value)
        if not isinstance(value, dict):
            refuse(f' is {shown(value)}; it must be a section with keys of its own')
        described = cls.described_keys()
        # Where options are used, BasicSR has added keys of its own, and others may have: those are passed over.
        passes_over = info.context == USE and not cls.is_exact
        others: dict[str, Any] = {}
        for key in value:
            if key in described or not isinstance(key, str):
                continue
            kind = cls._kind_of_other(key)
            complaint = None if kind else cls._complaint_of_other(key, value, cls.is_open or passes_over)
            if complaint:
                others[key] = _refused(complaint)
            elif not passes_over:
                others[key] = kind or Any
        if passes_over and cls.model_config.get('extra') != 'allow':
            value = {key: item for key, item in value.items() if key in described or key in others}
        if not others:
            return handler(value)
        fields: dict[str, Any] = {
            f'other_{i}': (kind, Field(alias=key)) for i, (key, kind) in enumerate(others.items())
        }
        return create_model(cls.__name__, __base__=cls, **fields).model_validate(value, context=info.context)

    @classmethod
    def _kind_of_other(cls, key: str) -> Any:
        """Return the type of a key of one of the families, or None."""
        return next((kind for pattern, (kind, _) in cls.families.items() if fnmatchcase(key, pattern)), None)

    @classmethod
    def _complaint_of_other(cls, key: str, value: dict[str, Any], is_open: bool) -> str | None:
        """Say why there is no such key; None where it may be somebody else's."""
        known = [name for name in cls.described_keys() if name not in value]
        near = nearest(key, known, cutoff=0.8 if is_open else 0.6)
        if is_open and not near:
            return None
        near = near or nearest(key, [*cls.described_keys(), *cls.families])
        others = [*(known or cls.described_keys()), *cls.families]
        if near:
            hint = f'; did you mean {near}?'
        else:
            hint = f'; there are {", ".join(others)}' if others else ', for there are none'
        return f': there is no such option{hint}'


def section_in(kind: Any) -> type[Section] | None:
    """Return the section that a type stands for, or None."""
    for member in members_of(kind):
        if inspect.isclass(member) and issubclass(member, Section):
            return member
    return None


def members_of(kind: Any) -> Iterator[Any]:
    """Yield a type, those that a union holds, and what they are annotated with."""
    yield kind
    if typing.get_origin(kind) in (Annotated, typing.Union, types.UnionType):
        for argument in typing.get_args(kind):
            yield from members_of(argument)


def type_of(field: FieldInfo) -> Any:
    """Return the type of a field with what pydantic keeps apart from it."""
    return annotated(field.annotation, field.metadata)


def _refused(message: str) -> Any:
    def check(value):
        refuse(message)

    return Annotated[Any, AfterValidator(check)]
