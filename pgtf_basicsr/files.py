"""Writing files so that a reader only ever sees whole ones."""

import os
from contextlib import contextmanager
from pathlib import Path

__all__ = ['remove_partial_files', 'replacing']

PARTIAL = '.partial-'


@contextmanager
def replacing(path):
    """Give the name of a new file that takes the place of `path` once the block has ended well.

    The new file lies beside `path`, with the same extension, reaches the disk before it is
    renamed, and is removed when the block raises; what was at `path` before is then untouched.
    A process that is killed in the block leaves a hidden file, see `remove_partial_files`.

    Args:
        path (str | Path): the file to write; its folder must exist.

    Raises:
        OSError: the file cannot be written or renamed.
    """
    path = Path(path)
    partial = path.with_name(f'.{path.stem}{PARTIAL}{os.getpid()}{path.suffix}')
    try:
        yield partial
        _reach_disk(partial, os.O_RDWR)
        os.replace(partial, path)
        # The new name is an entry of the folder, which has to reach the disk as well.
        _reach_disk(path.parent, os.O_RDONLY)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder):
    """Remove what processes that were killed in `replacing` left in a folder nobody writes to now."""
    for partial in Path(folder).glob(f'.*{PARTIAL}*'):
        partial.unlink(missing_ok=True)


def _reach_disk(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
