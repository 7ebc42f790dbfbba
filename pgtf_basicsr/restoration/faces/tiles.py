"""Tiles of images that are too large to go through a network at once."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

__all__ = ['Tile', 'tiles']


class Tile(NamedTuple):
    """A part of an image.

    Attributes:
        seen (tuple[slice, slice]): Rows and columns that the network sees.
        shares (tuple[ndarray, ndarray]): Of its result in the whole, in [0, 1], by rows and by columns, whose product
            it is. Shares of all tiles add up to 1 in each pixel. They rise from 0 where tiles overlap.
    """

    seen: tuple[slice, slice]
    shares: tuple[np.ndarray, np.ndarray]


def tiles(height: int, width: int, size: int, overlap: int, multiple_of: int = 1) -> Iterator[Tile]:
    """Divide an image into tiles of one size.

    Args:
        height, width (int): Of the image in pixels.
        size (int): Side of a tile in pixels, at least 4 times `overlap`. Tiles at the right and lower edge may be
            longer by less than `multiple_of`.
        overlap (int): Pixels that a tile sees beyond the line where it has as large a share as its neighbour. From one
            to the other shares change along as many pixels, half of them on each side of the line.
        multiple_of (int): What the first row and column of each tile are multiples of, so that a network that folds
            pixels into channels folds the same ones in each.
    """
    spans = (_spans(side, size, overlap, multiple_of) for side in (height, width))
    for (rows, share_of_rows), (columns, share_of_columns) in product(*spans):
        yield Tile((rows, columns), (share_of_rows, share_of_columns))


def _spans(length: int, size: int, overlap: int, multiple_of: int) -> list[tuple[slice, np.ndarray]]:
    if length <= size:
        return [(slice(0, length), np.ones(length, np.float32))]
    step = (size - 2 * overlap) // multiple_of * multiple_of
    last = (length - size) // multiple_of * multiple_of
    seen = [*(slice(start, start + size) for start in range(0, last, step)), slice(last, length)]
    shares = [np.ones(part.stop - part.start, np.float32) for part in seen]
    rising = (np.arange(overlap, dtype=np.float32) + 0.5) / max(overlap, 1)
    for index in range(len(seen) - 1):
        before, after = seen[index], seen[index + 1]
        begin = (after.start + before.stop - overlap) // 2
        shares[index][begin - before.start :] = 0
        shares[index][begin - before.start :][:overlap] = 1 - rising
        shares[index + 1][: begin - after.start] = 0
        shares[index + 1][begin - after.start :][:overlap] = rising
    return list(zip(seen, shares))
