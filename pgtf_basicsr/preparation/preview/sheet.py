"""A contact sheet of training windows, as the training stages see them."""

from typing import Any

import cv2
import numpy as np
import torch

from ...data.vfhq_dataset import VFHQDataset
from ...errors import UserError
from ...images import to_image

__all__ = ['contact_sheet']

TILE, LABEL_HEIGHT = 128, 18  # pixels
BACKGROUND, INK, MARK = (255, 255, 255), (40, 40, 40), (0, 255, 0)
TITLES = ('stage I: aligned', 'stages II, III: degraded', 'stage IV: unaligned', 'stage IV: degraded')


def contact_sheet(options: dict[str, Any], num_windows: int = 8, seed: int = 0) -> np.ndarray:
    """Draw windows of a dataset as rows, with their frames as each stage sees them side by side.

    Args:
        options (dict): Options of a `VFHQDataset`.
        num_windows (int): Number of windows, of clips spread over the dataset.
        seed (int): Other seeds draw other windows.

    Returns:
        ndarray: (H, W, 3) uint8 RGB. Landmarks are marked in the frames of stage I.

    Raises:
        UserError: The data cannot be read.
    """
    if num_windows < 1:
        raise UserError(f'windows is {num_windows}; it must be a positive integer')
    common = {**options, 'name': 'preview', 'phase': 'train', 'seed': seed}
    aligned, unaligned = (
        VFHQDataset({**common, **placing}) for placing in ({'aligned': True}, {'aligned': False, 'placement': None})
    )
    num_clips = len(aligned.clips)
    rows = []
    for window in range(num_windows):
        # With fewer clips than windows each is shown several times, with more those that are far apart.
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


def _side_by_side(frames: torch.Tensor, landmarks: torch.Tensor | None = None) -> np.ndarray:
    return np.hstack(
        [_tile(frame, [] if landmarks is None else landmarks[number].numpy()) for number, frame in enumerate(frames)]
    )


def _tile(frame: torch.Tensor, landmarks: np.ndarray | list[np.ndarray]) -> np.ndarray:
    image = to_image(frame)
    scale = TILE / image.shape[0]
    image = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    for point in landmarks:
        cv2.circle(image, tuple(int(value) for value in (point * scale).round()), 1, MARK, -1)
    return image


def _label(text: str, width: int) -> np.ndarray:
    strip = np.full((LABEL_HEIGHT, width, 3), BACKGROUND, np.uint8)
    return cv2.putText(strip, text, (4, LABEL_HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
