"""Clips frame by frame, so that the memory of a test does not grow with their length."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import Any

import numpy as np
import torch

from ..errors import UserError

__all__ = ['ClipStream', 'open_stream', 'with_size']


class ClipStream:
    """A clip whose frames are made one by one; iterating again starts over.

    Iteration yields a degraded and a real frame (lq, gt) at a time: float32 RGB in [0, 1], (3, h, w) and (3, H, W);
    gt is None where there is no ground truth.

    Args:
        name (str): Name of the clip.
        num_frames (int): Number of frames.
        has_gt (bool): Whether they have ground truth.
        start (Callable): Starts a new iteration, ``start() -> Iterator[(lq, gt)]``.

    Raises:
        DataError: While iterating: a frame or its landmarks are missing or broken.
    """

    def __init__(
        self,
        name: str,
        num_frames: int,
        has_gt: bool,
        start: Callable[[], Iterator[tuple[torch.Tensor, torch.Tensor | None]]],
    ) -> None:
        self.name, self.num_frames, self.has_gt = name, num_frames, has_gt
        self._start = start

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        return self._start()

    @classmethod
    def of_item(cls, item: dict[str, Any]) -> 'ClipStream':
        """Make a clip of an item of any dataset, such as BasicSR's VideoRecurrentTestDataset.

        Args:
            item (dict): ``lq`` (T, C, H, W), ``folder`` or ``key``, and ``gt`` (T, C, H, W) if there is any.

        Raises:
            UserError: The item is not a clip, or has not one real frame for each degraded one.
        """
        name, lq, gt = item.get('folder') or item['key'], item['lq'], item.get('gt')
        if lq.dim() != 4 or (gt is not None and (gt.dim() != 4 or len(gt) != len(lq))):
            shapes = f'lq is {tuple(lq.shape)}' + ('' if gt is None else f' and gt {tuple(gt.shape)}')
            raise UserError(
                f'clip {name}: {shapes}; a test takes items of whole clips, (T, C, H, W), with as many '
                'frames in gt as in lq'
            )
        return cls(name, len(lq), gt is not None, lambda: zip(lq, repeat(None) if gt is None else gt))


def open_stream(dataset: Any, index: int) -> ClipStream:
    """Open item ``index`` of a validation or test set as a `ClipStream`.

    A dataset with a method ``stream(index)`` opens it; the item of any other is read whole.

    Raises:
        UserError: The item is not a clip, see `ClipStream.of_item`.
    """
    return dataset.stream(index) if hasattr(dataset, 'stream') else ClipStream.of_item(dataset[index])


def with_size(frames: Iterable[np.ndarray]) -> tuple[tuple[int, int], Iterator[np.ndarray]]:
    """Return the size (height, width) of the first of some frames (H, W, 3), and an iterator over all of them.

    Raises:
        ValueError: There are none.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise ValueError('there are no frames')
    return first.shape[:2], chain([first], frames)
