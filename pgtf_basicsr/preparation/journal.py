"""Files of lines that say what is done: one process at a time has them open, and a kill costs the last line at most."""

import fcntl
from pathlib import Path
from typing import IO

from ..errors import UserError

__all__ = ['append_line', 'open_journal', 'whole_lines']


def open_journal(path: Path, busy: str) -> IO[bytes]:
    """Open a journal to read and to append to; it is made if it is missing.

    Args:
        path (Path): The file.
        busy (str): What to say if another process has it open.

    Raises:
        UserError: Another process has it open.
        OSError: It cannot be made or opened.
    """
    journal = open(path, 'a+b')  # noqa: SIM115  the caller closes it
    try:
        # A lock of this process alone: workers that outlive it by a moment do not keep it.
        fcntl.lockf(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        journal.close()
        raise UserError(busy) from error
    return journal


def whole_lines(journal: IO[bytes]) -> list[bytes]:
    """Read the lines, and cut off what follows a line that a process was killed in."""
    journal.seek(0)
    lines = []
    for line in journal:
        if not line.endswith(b'\n'):
            break
        lines.append(line)
    journal.truncate(sum(map(len, lines)))
    return lines


def append_line(journal: IO[bytes], line: str) -> None:
    """Append a line, given without its end.

    Raises:
        OSError: The disk is full.
    """
    journal.write(line.encode() + b'\n')
    journal.flush()
