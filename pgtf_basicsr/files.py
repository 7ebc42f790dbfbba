"""Files that readers only ever see whole, folders to put them in, and which names in a folder are the user's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import UserError

__all__ = [
    'expand_home',
    'is_file_name',
    'is_hidden',
    'list_visible',
    'make_folder',
    'path_beside',
    'remove_partial_files',
    'replacing',
    'temporary_beside',
]

PARTIAL = '.partial-'
# Folders that macOS puts into archives and Synology's systems beside files: copies of what is there, or nothing.
HIDDEN_FOLDERS = ('__MACOSX', '@eaDir')


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Provide the path of a new file that replaces `path` when the block ends without an error.

    The new file lies beside `path` and has the same extension. It is flushed to disk before it is renamed. It is
    removed if the block raises; an earlier file at `path` then stays as it was. A process that is killed within the
    block leaves a hidden file, see `remove_partial_files`.

    Args:
        path (str | Path): The file to write. Its folder must exist.

    Yields:
        Path: The file to write to instead.

    Raises:
        OSError: The file cannot be written or renamed.
    """
    path = Path(path)
    partial = _partial(path, path.suffix)
    try:
        yield partial
        _flush_to_disk(partial, os.O_RDWR)
        os.replace(partial, path)
        # The new name is an entry of the folder, which has to be flushed as well.
        _flush_to_disk(path.parent, os.O_RDONLY)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def temporary_beside(path: str | os.PathLike[str], suffix: str) -> Iterator[Path]:
    """Provide the path of a hidden file beside `path`, on the same disk, that is removed when the block ends.

    A process that is killed within the block leaves the file, see `remove_partial_files`.

    Args:
        path (str | Path): A file, whose folder must exist.
        suffix (str): Suffix of the temporary file.
    """
    temporary = _partial(Path(path), suffix)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial_files(folder: str | os.PathLike[str]) -> None:
    """Remove the files that killed processes left behind in `replacing`, in a folder that nobody writes to now."""
    for partial in Path(folder).glob(f'.*{PARTIAL}*'):
        partial.unlink(missing_ok=True)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: no frame, no clip and no video.

    Names with a leading dot are hidden, among them macOS's ``._frame.png`` and ``.DS_Store``, Jupyter's
    ``.ipynb_checkpoints`` and what `replacing` writes to; so are `HIDDEN_FOLDERS`.
    """
    return name.startswith('.') or name in HIDDEN_FOLDERS


def list_visible(folder: str | os.PathLike[str]) -> list[str]:
    """List the names in a folder that are not hidden (see `is_hidden`), sorted.

    Raises:
        OSError: The folder cannot be listed.
    """
    return sorted(name for name in os.listdir(folder) if not is_hidden(name))


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, unless it exists.

    Raises:
        UserError: The folder cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'cannot make the folder {path}: {error.strerror}') from error


def is_file_name(text: str) -> bool:
    """Whether a text can be the name of a file or folder: not blank, and leading nowhere else."""
    return bool(text.strip()) and os.path.basename(text) == text and text not in ('.', '..') and '\0' not in text


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Write out ~ and ~user at the beginning of a path; where there is no such user the path is as it was."""
    return Path(os.path.expanduser(path))


def path_beside(path: str | os.PathLike[str], before: str = '', behind: str = '') -> Path:
    """Return the path of a neighbour, which has the name of a file or folder with more before and behind it."""
    # Written out, . and .. have names as well.
    path = Path(os.path.abspath(path)) if Path(path).name in ('', '..') else Path(path)
    return path.with_name(f'{before}{path.name}{behind}')


def _partial(path: Path, suffix: str) -> Path:
    return path.with_name(f'.{path.stem}{PARTIAL}{os.getpid()}{suffix}')


def _flush_to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
