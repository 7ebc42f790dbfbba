"""The errors that end a run in one line instead of a traceback."""

__all__ = ['DataError', 'Interrupted', 'SharedError', 'UserError']


class UserError(Exception):
    """Something the user can put right: a missing file, a wrong name, data that cannot be read.

    The message is one line and says what is wrong, where, and what would be right.  The
    command line prints it without a traceback and exits with status 2.
    """


class DataError(UserError):
    """A file of the data that is missing or broken; training may be told to skip it."""


class SharedError(UserError):
    """A mistake that every process of a run knows of, so that rank 0 alone reports it."""


class Interrupted(Exception):
    """A run was asked to stop and has done so with everything saved; the message says where it stands."""
