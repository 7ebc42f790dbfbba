"""The folder of sample data, which is replaced as a whole."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import UserError, require
from ..files import list_visible

__all__ = ['replacing_data', 'require_even', 'require_positive']

_MARKER = 'sample_data.json'


@contextmanager
def replacing_data(root: str | Path, **description: Any) -> Iterator[Path]:
    """Provide a folder to write to, whose content replaces that of ``root`` when the block ends without an error.

    Args:
        root (str | Path): Folder to make, or one that holds sample data.
        **description: What was asked for, which is written to ``root`` as JSON.

    Yields:
        Path: Where to write the folders train and test.

    Raises:
        UserError: ``root`` holds something else.
    """
    root = Path(root)
    marker, partial = root / _MARKER, root / '.partial'
    if root.exists() and not root.is_dir():
        raise UserError(f'{root} is a file; the sample data need a folder')
    if root.exists() and not marker.exists() and list_visible(root):
        raise UserError(f'{root} is not empty and holds no sample data; name a new or empty folder')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        # First: the next call knows by it that a folder in which this one is killed holds sample data.
        (partial / _MARKER).write_text(json.dumps(description, indent=2) + '\n')
        (partial / _MARKER).replace(marker)
        for split in ('train', 'test'):
            shutil.rmtree(root / split, ignore_errors=True)
            (partial / split).rename(root / split)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_positive(**counts: int) -> None:
    """Raise a UserError unless all arguments are positive integers."""
    for name, value in counts.items():
        require(
            isinstance(value, int) and value > 0, f'sample data: {name} is {value!r}; it must be a positive integer'
        )


def require_even(**sizes: int) -> None:
    """Raise a UserError unless all arguments are even."""
    for name, value in sizes.items():
        require(value % 2 == 0, f'sample data: {name} is {value}; it must be even')
