"""``basicsr preview``: a contact sheet of training windows."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...images import write_image
from .sheet import contact_sheet

__all__ = ['add_arguments', 'run', 'split_options']


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument('folder', help='a prepared dataset, with train/ and val/ or test/ below it')
    parser.add_argument('-o', '--output', default='preview.png', help='image to write (default: %(default)s)')
    parser.add_argument('--split', default='train', help='train, val or test (default: %(default)s)')
    parser.add_argument('--windows', type=int, default=8, help='windows to show (default: %(default)s)')
    parser.add_argument(
        '-opt',
        '--opt',
        metavar='FILE',
        help='an option file whose datasets.train says how windows are drawn (default: 512 pixels, degraded as VFHQ)',
    )
    parser.add_argument('--seed', type=int, default=0, help='other seeds show other windows (default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Write the sheet and say where."""
    options: Any = {}
    if args.opt:
        from ...config import load

        datasets = load(args.opt).get('datasets')
        options = datasets.get('train') if isinstance(datasets, dict) else None
        if not isinstance(options, dict):
            raise UserError(f'{args.opt} has no section datasets.train')
    sheet = contact_sheet({**options, **split_options(args.folder, args.split)}, args.windows, args.seed)
    output = Path(args.output)
    if output.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        raise UserError(f'cannot write {output}: its extension must be .png or .jpg')
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_image(output, sheet)
    except OSError as error:
        raise UserError(f'cannot write {output}: {error.strerror}') from error
    sys.stdout.write(f'{output}: {args.windows} windows of {args.folder}\n')


def split_options(folder: str | Path, split: str) -> dict[str, str | None]:
    """Options of a `VFHQDataset` for one split of a prepared dataset, by what is there.

    Raises:
        UserError: The folder has no such split.
    """
    root = Path(folder) / split
    found = {
        option: next((root / name for name in names if (root / name).exists()), None)
        for option, names in (
            ('dataroot_gt', ('GT', 'GT.lmdb')),
            ('dataroot_lq', ('LR_Blind', 'LR_Blind.lmdb')),
            ('dataroot_landmarks', ('landmarks',)),
            ('meta_info_file', ('meta_info.txt',)),
        )
    }
    if found['dataroot_gt'] is None:
        raise UserError(f'no clips in {root}: it should hold GT or GT.lmdb, as `basicsr prepare` makes them')
    return {option: str(path) if path else None for option, path in found.items()}
