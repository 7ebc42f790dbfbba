"""A contact sheet of training windows, as the stages see them."""

import cv2
import numpy as np

from ...data.vfhq_dataset import VFHQDataset
from ...errors import UserError
from ...images import to_image

__all__ = ['contact_sheet']

TILE = 128  # pixels
LABEL_HEIGHT = 18
PAPER, INK, MARK = (255, 255, 255), (40, 40, 40), (0, 255, 0)
TITLES = ('stage I: aligned', 'stages II, III: degraded', 'stage IV: unaligned', 'stage IV: degraded')


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
    aligned, unaligned = (
        VFHQDataset({**common, **placing}) for placing in ({'aligned': True}, {'aligned': False, 'placement': None})
    )
    num_clips = len(aligned.clips)
    rows = []
    for window in range(num_windows):
        # Of fewer clips than windows each is shown several times, of more those that are far apart.
        index = window * num_clips // num_windows if num_windows <= num_clips else window % num_clips
        columns = []
        for dataset in (aligned, unaligned):
            dataset.set_epoch(window // num_clips)
            item = dataset[index]
            columns += [
                _side_by_side(item['gt'], item.get('landmarks') if dataset is aligned else None),
                _side_by_side(item['lq']),
            ]
        rows += [_label(item['key'], sum(column.shape[1] for column in columns)), np.hstack(columns)]
    titles = [_label(title, column.shape[1]) for title, column in zip(TITLES, columns)]
    return np.vstack([np.hstack(titles), *rows])


def _side_by_side(frames, landmarks=None):
    return np.hstack(
        [_tile(frame, [] if landmarks is None else landmarks[number].numpy()) for number, frame in enumerate(frames)]
    )


def _tile(frame, landmarks):
    picture = to_image(frame)
    scale = TILE / picture.shape[0]
    picture = cv2.resize(picture, (TILE, TILE), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    for point in landmarks:
        cv2.circle(picture, tuple(int(value) for value in (point * scale).round()), 1, MARK, -1)
    return picture


def _label(text, width):
    strip = np.full((LABEL_HEIGHT, width, 3), PAPER, np.uint8)
    return cv2.putText(strip, text, (4, LABEL_HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
