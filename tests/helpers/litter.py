"""What macOS and Jupyter leave in folders that they have been in."""

import os
import shutil
from pathlib import Path

# The head of an AppleDouble file with one entry, as macOS writes it beside each file of a volume that is not its own.
APPLE_DOUBLE = bytes.fromhex('00051607000200004d6163204f532058') + bytes(34)


def litter(root):
    """Put hidden files and folders into a folder and all folders below it; returns the number of them."""
    count = 0
    for folder, _, files in list(os.walk(root)):
        folder = Path(folder)
        (folder / '.DS_Store').write_bytes(b'\0\0\0\1Bud1' + bytes(24))
        copies = folder / '.ipynb_checkpoints'
        archived = folder / '__MACOSX' / folder.name
        for made in (copies, archived):
            made.mkdir(parents=True, exist_ok=True)
        for name in files:
            (folder / f'._{name}').write_bytes(APPLE_DOUBLE)
            (archived / f'._{name}').write_bytes(APPLE_DOUBLE)
            shutil.copy(folder / name, copies / name)
            stem, suffix = os.path.splitext(name)
            shutil.copy(folder / name, copies / f'{stem}-checkpoint{suffix}')
        count += 3 + 4 * len(files)
    return count
