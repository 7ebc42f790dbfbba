"""A contact sheet of training windows, as the stages see them: what ``basicsr preview`` does."""
import sys
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserError
from .clips import write_frame
from .vfhq_dataset import VFHQDataset

__all__ = ['add_arguments', 'contact_sheet', 'run', 'split_options']

TILE = 128  # pixels
LABEL_HEIGHT = 18
PAPER, INK, MARK = (255, 255, 255), (40, 40, 40), (0, 255, 0)
TITLES = ('stage I: aligned', 'stages II, III: degraded', 'stage IV: unaligned', 'stage IV: degraded')


def add_arguments(parser):
    """Add what `run` needs to an argparse parser."""
    parser.add_argument('folder', help='a prepared data set, with train/ and val/ or test/ below it')
    parser.add_argument('-o', '--output', default='preview.png', help='picture to write (default: %(default)s)')
    parser.add_argument('--split', default='train', help='train, val or test (default: %(default)s)')
    parser.add_argument('--windows', type=int, default=8, help='windows to show (default: %(default)s)')
    parser.add_argument('--opt', help='an option file whose datasets.train says how windows are drawn '
                                      '(default: 512 pixels, degraded as VFHQ)')
    parser.add_argument('--seed', type=int, default=0, help='other seeds show other windows (default: %(default)s)')


def run(args):
    """Write the sheet and say where."""
    options = {}
    if args.opt:
        from ..options import load
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
        write_frame(output, sheet)
    except OSError as error:
        raise UserError(f'cannot write {output}: {error.strerror}') from error
    sys.stdout.write(f'{output}: {args.windows} windows of {args.folder}\n')


def split_options(folder, split):
    """Options of a `VFHQDataset` for one split of a prepared data set, by what is there.

    Raises:
        UserError: The folder has no such split.
    """
    root = Path(folder) / split
    found = {option: next((root / name for name in names if (root / name).exists()), None) for option, names in (
        ('dataroot_gt', ('GT', 'GT.lmdb')), ('dataroot_lq', ('LR_Blind', 'LR_Blind.lmdb')),
        ('dataroot_landmarks', ('landmarks',)), ('meta_info_file', ('meta_info.txt',)))}
    if found['dataroot_gt'] is None:
        raise UserError(f'no clips in {root}: it should hold GT or GT.lmdb, as `basicsr prepare` makes them')
    return {option: str(path) if path else None for option, path in found.items()}


def contact_sheet(options, num_windows=8, seed=0):
    """Windows of a data set as rows, their frames as each stage sees them side by side.

    Args:
        options (dict): Of a `VFHQDataset`.
        num_windows (int): Windows, of clips spread over the data set.
        seed (int): Other seeds draw other windows.

    Returns:
        ndarray: (H, W, 3) uint8 RGB. Landmarks are marked in the frames of stage I.

    Raises:
        UserError: The data cannot be read.
    """
    if num_windows < 1:
        raise UserError(f'windows is {num_windows}; it must be 1 or more')
    common = {**options, 'name': 'preview', 'phase': 'train', 'seed': seed}
    aligned, unaligned = (VFHQDataset({**common, **placing}) for placing in (
        {'aligned': True}, {'aligned': False, 'placement': None}))
    num_clips = len(aligned.clips)
    rows = []
    for window in range(num_windows):
        # Of fewer clips than windows each is shown several times, of more those that are far apart.
        index = window * num_clips // num_windows if num_windows <= num_clips else window % num_clips
        columns = []
        for dataset in (aligned, unaligned):
            dataset.set_epoch(window // num_clips)
            item = dataset[index]
            columns += [_side_by_side(item['gt'], item.get('landmarks') if dataset is aligned else None),
                        _side_by_side(item['lq'])]
        rows += [_label(item['key'], sum(column.shape[1] for column in columns)), np.hstack(columns)]
    titles = [_label(title, column.shape[1]) for title, column in zip(TITLES, columns)]
    return np.vstack([np.hstack(titles), *rows])


def _side_by_side(frames, landmarks=None):
    return np.hstack([_tile(frame, [] if landmarks is None else landmarks[number].numpy())
                      for number, frame in enumerate(frames)])


def _tile(frame, landmarks):
    picture = np.ascontiguousarray(np.moveaxis(frame.numpy(), 0, -1) * 255).round().astype(np.uint8)
    scale = TILE / picture.shape[0]
    picture = cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    for point in landmarks:
        cv2.circle(picture, tuple(int(value) for value in (point * scale).round()), 1, MARK, -1)
    return picture


def _label(text, width):
    strip = np.full((LABEL_HEIGHT, width, 3), PAPER, np.uint8)
    return cv2.putText(strip, text, (4, LABEL_HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
