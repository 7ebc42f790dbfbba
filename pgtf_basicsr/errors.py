"""The errors that end a run with one line instead of a traceback."""

import unicodedata

__all__ = ['DataError', 'Interrupted', 'SharedError', 'UserError', 'in_one_line', 'printable', 'require']

# Unicode categories of control characters, bytes that are not text, and separators of lines and paragraphs.
UNPRINTABLE = 'Cc', 'Cs', 'Zl', 'Zp'


class UserError(Exception):
    """A mistake that the user can correct: a missing file, a wrong name, data that cannot be read.

    The message is one line. It says what is wrong, where, and what would be right. The command line prints it
    without a traceback and exits with status 2.

    Args:
        *lines (str): The message; several where there are several mistakes.
    """

    def __str__(self) -> str:
        return '\n'.join(printable(str(line)) for line in self.args)


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


def in_one_line(error: BaseException) -> str:
    """Write the message of an error of another library as a part of a line: its first 300 characters, or its kind."""
    return ' '.join(str(error).split())[:300] or type(error).__name__


def printable(text: str) -> str:
    """Escape what would break a line or move the terminal's cursor, which names of files may contain."""
    return ''.join(
        character.encode('unicode_escape').decode() if unicodedata.category(character) in UNPRINTABLE else character
        for character in text
    )
