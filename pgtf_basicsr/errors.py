"""The errors that end a run with one line instead of a traceback."""

__all__ = ['DataError', 'Interrupted', 'SharedError', 'UserError', 'require']


class UserError(Exception):
    """A mistake that the user can correct: a missing file, a wrong name, data that cannot be read.

    The message is one line. It says what is wrong, where, and what would be right. The command line prints it
    without a traceback and exits with status 2.
    """


class DataError(UserError):
    """A missing or broken file of the data. Training can be configured to skip it."""


class SharedError(UserError):
    """A mistake that all processes of a run know of, so that only rank 0 reports it."""


class Interrupted(Exception):  # noqa: N818 - not an error
    """A run was asked to stop and has saved everything. The message says where it stopped."""


def require(condition: bool, message: str) -> None:
    """Raise a `UserError` with the message unless the condition holds."""
    if not condition:
        raise UserError(message)
