"""Random draws as a line of a log, and back again to the last bit."""

import json
from dataclasses import asdict
from typing import Any

from typing_extensions import Self

from ..errors import UserError

__all__ = ['Reported']


class Reported:
    """Base of dataclasses that can be written on a line and read from it."""

    def report(self) -> str:
        """Write all fields on one line, as `from_report` reads it."""
        return json.dumps(asdict(self))  # type: ignore[call-overload]

    @classmethod
    def from_report(cls, line: str) -> Self:
        """Read a report, to the last bit.

        Raises:
            UserError: The line is not a report.
        """
        try:
            return cls.from_values(json.loads(line))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f'{line!r} is not a report of {cls.__name__}') from error

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Self:
        """Take fields as JSON holds them: lists stand for tuples."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
