"""Writing files so that a reader only ever sees whole ones."""
import os
from contextlib import contextmanager
from pathlib import Path

__all__ = ['replacing']


@contextmanager
def replacing(path):
    """Give the name of a new file that takes the place of `path` once the block has ended well.

    The new file lies beside `path`, with the same extension, reaches the disk before it is
    renamed, and is removed when the block raises; what was at `path` before is then untouched.

    Args:
        path (str | Path): the file to write; its folder must exist.

    Raises:
        OSError: the file cannot be written or renamed.
    """
    path = Path(path)
    partial = path.with_name(f'.{path.stem}.partial-{os.getpid()}{path.suffix}')
    try:
        yield partial
        with open(partial, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
