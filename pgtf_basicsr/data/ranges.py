"""Base of the ranges that random draws are made from."""

import inspect
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import ModelWrapValidatorHandler, ValidationError, ValidationInfo, model_validator
from typing_extensions import Self

from ..config.mistakes import first_mistake
from ..config.sections import Section
from ..errors import UserError

__all__ = ['Ranges']


class Ranges(Section):
    """Base of ranges that random draws are made from: sections of a dataset's options, made in Python as well.

    Raises:
        UserError: In Python: a range is unknown, or has an impossible value; one line.
    """

    is_exact: ClassVar[bool] = True
    # Name of the section in a dataset's options, with which messages begin.
    section: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Have `help` show the types of values without their bounds, which `docs/options.md` lists."""
        super().__pydantic_init_subclass__(**kwargs)
        signature = inspect.signature(cls)
        cls.__signature__ = signature.replace(
            parameters=[
                parameter.replace(annotation=get_args(parameter.annotation)[0])
                if get_origin(parameter.annotation) is Annotated
                else parameter
                for parameter in signature.parameters.values()
            ]
        )

    @model_validator(mode='wrap')
    @classmethod
    def _report(cls, value: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            if info.context is not None:
                # Reported with the options that they are part of.
                raise
            raise UserError(f'{cls.section}: {first_mistake(error)}') from None
