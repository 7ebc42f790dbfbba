"""What a described section of an option file is: typed keys, and an answer to keys that are not described."""

from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from .value_types import nearest, refuse, shown

__all__ = ['Section', 'mistake_at']


class Section(BaseModel):
    """Base of descriptions: each field is a key, with its type, its default and what it means.

    Keys that are not described are refused, with the described key that looks most like them.
    """

    model_config = ConfigDict(extra='forbid', strict=True, allow_inf_nan=False, protected_namespaces=())

    # Keys of one kind and many names, {'network_*': (type, meaning)}.
    families: ClassVar[dict] = {}
    # Whether keys may be somebody else's: then only those are refused that look like a described key misspelt.
    is_open: ClassVar[bool] = False

    @model_validator(mode='wrap')
    @classmethod
    def _meet_other_keys(cls, value, handler):
        if not isinstance(value, dict):
            refuse(f' is {shown(value)}; it must be a section with keys of its own')
        described = cls.keys()
        others = {key: cls._type_of_other(key, value) for key in value if key not in described and isinstance(key, str)}
        if not others:
            return handler(value)
        fields = {f'other_{i}': (kind, Field(alias=key)) for i, (key, kind) in enumerate(others.items())}
        return create_model(cls.__name__, __base__=cls, **fields).model_validate(value)

    @classmethod
    def keys(cls):
        """The described keys, as they stand in a file."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    @classmethod
    def default(cls, key):
        """Default of a described key; None where it has none."""
        field = cls.model_fields.get(key)
        return None if field is None or field.is_required() else field.default

    @classmethod
    def _type_of_other(cls, key, value):
        for pattern, (kind, _) in cls.families.items():
            if fnmatchcase(key, pattern):
                return kind
        known = [name for name in cls.keys() if name not in value]
        near = nearest(key, known, cutoff=0.8 if cls.is_open else 0.6)
        if cls.is_open and not near:
            return Any
        near = near or nearest(key, [*cls.keys(), *cls.families])
        hint = f'; did you mean {near}?' if near else f'; there are {", ".join([*known, *cls.families])}'
        return _refused(f': there is no such option{hint}')


def _refused(message):
    def check(value):
        refuse(message)

    return Annotated[Any, AfterValidator(check)]


def mistake_at(key, message):
    """A ValidationError to raise in a validator of a section: the mistake is at its ``key``."""
    kind = PydanticCustomError('refused', '{message}', {'message': message})
    return ValidationError.from_exception_data('section', [InitErrorDetails(type=kind, loc=(key,), input=None)])
