"""Option files by name: those of the user, and those that come with the package."""

import os
import shutil
from pathlib import Path

from ...errors import UserError, require
from ...files import is_hidden, path_beside
from ..value_types import nearest

__all__ = ['copy_option_files', 'description_of', 'find_option_file', 'packaged_files']

FOLDER = Path(__file__).parents[2] / 'options'


def packaged_files() -> dict[str, Path]:
    """Return the option files that come with the package, {name: path}, with names such as 'quickstart/stage1.yml'."""
    paths = [path.relative_to(FOLDER) for path in FOLDER.rglob('*.yml')]
    visible = [path for path in paths if not any(map(is_hidden, path.parts))]
    return {path.as_posix(): FOLDER / path for path in sorted(visible, key=lambda path: (len(path.parts), path))}


def find_option_file(name: str | os.PathLike[str]) -> str:
    """Find an option file: the one at this path or else the packaged one of this name.

    Args:
        name (str | Path): Such as 'options/mine.yml', 'stage1.yml' or 'quickstart/stage1.yml'.

    Returns:
        str: Its path; as it was given, if a file is there.

    Raises:
        UserError: If there is neither.
    """
    name = os.fspath(name)
    require(bool(name), 'the name of the option file is empty')
    if os.path.exists(name):
        return name
    packaged = packaged_files()
    if name in packaged:
        return str(packaged[name])
    path = Path(name)
    beside = [str(other) for other in path.parent.glob('*.y*ml')]
    # Such as options/stage1.yml, which packaged files of other folders may look more like.
    ends = [packaged_name for packaged_name in packaged if path.as_posix().endswith(f'/{packaged_name}')]
    near = max(ends, key=len) if ends else nearest(name, [*packaged, *beside], cutoff=0.7)
    raise UserError(
        f'cannot read the option file {name}: {path.absolute()} does not exist, and no packaged file has this name'
        f'{f"; did you mean {near}?" if near else ";"} `basicsr options` lists the packaged ones'
    )


def description_of(path: Path) -> str:
    """Return what an option file says about itself in its first line, a comment."""
    with open(path, encoding='utf-8') as file:
        return file.readline().lstrip('#').strip()


def copy_option_files(folder: str | os.PathLike[str]) -> int:
    """Copy all packaged option files to a new folder, which appears whole.

    Returns:
        int: The number of files.

    Raises:
        UserError: If the folder exists or cannot be made.
    """
    folder = Path(folder)
    require(not os.path.lexists(folder), f'{folder} exists, and nothing is overwritten: name a new folder')
    partial = path_beside(folder, '.', f'.partial-{os.getpid()}')
    packaged = packaged_files()
    try:
        for name, path in packaged.items():
            copy = partial / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            # Not its mode: files of an installation may be read-only.
            shutil.copyfile(path, copy)
        partial.rename(folder)
    except OSError as error:
        raise UserError(f'cannot make the folder {folder}: {error.strerror}') from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return len(packaged)
