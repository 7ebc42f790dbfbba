"""What was drawn, on one line of a log, and back again to the last bit."""

import json
from dataclasses import asdict

from ..errors import UserError

__all__ = ['Reported']


class Reported:
    """Base of dataclasses that can be written on a line and made again of it."""

    def report(self):
        """All of it on one line, as `from_report` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_report(cls, line):
        """What a report tells of, to the last bit.

        Raises:
            UserError: the line is no report.
        """
        try:
            return cls.from_values(json.loads(line))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f'{line!r} is no report of {cls.__name__}') from error

    @classmethod
    def from_values(cls, values):
        """From a dict of fields as JSON holds them: lists stand for tuples."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
