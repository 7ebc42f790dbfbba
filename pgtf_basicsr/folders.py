"""Folders of results that appear whole, with what had their name before moved aside."""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from .errors import UserError
from .files import path_beside

__all__ = ['make_fresh_folder']


def make_fresh_folder(root: str | Path, inner: Iterable[str | Path] = ()) -> str | None:
    """Make a folder with folders in it, whole or not at all; what had its name is archived as BasicSR does.

    Args:
        root (str | Path): The folder.
        inner (iterable[Path], optional): Folders in it, relative to it.

    Returns:
        str | None: Where what was there has been moved to.

    Raises:
        UserError: If it cannot be made; what was there before is still there.
    """
    root = Path(root)
    fresh = path_beside(root, '.', f'.starting-{os.getpid()}')
    archived = None
    if root.exists():
        archived = _unused_name(f'{root}_archived_{time.strftime("%Y%m%d_%H%M%S")}')
    try:
        fresh.mkdir(parents=True)
        for name in inner:
            (fresh / name).mkdir(parents=True, exist_ok=True)
        if archived:
            os.rename(root, archived)
        os.rename(fresh, root)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if archived and not root.exists():
            os.rename(archived, root)
        raise UserError(f'cannot make the folder {root}: {error.strerror}') from error
    return archived


def _unused_name(path: str) -> str:
    """The path, or with a number behind it the first that does not exist yet."""
    numbered, number = path, 1
    while os.path.exists(numbered):
        number += 1
        numbered = f'{path}_{number}'
    return numbered
