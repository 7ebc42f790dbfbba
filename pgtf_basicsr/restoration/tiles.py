"""Tiles of images that are too large to go through a network at once."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import NamedTuple

__all__ = ['Tile', 'tiles']


class Tile(NamedTuple):
    """A part of an image, as slices of rows and columns.

    Attributes:
        seen (tuple[slice, slice]): What the network sees.
        kept (tuple[slice, slice]): What is taken of its result: parts that are kept cover the image once.
    """

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]


def tiles(height: int, width: int, size: int, overlap: int, multiple_of: int = 1) -> Iterator[Tile]:
    """Divide an image into tiles of one size.

    Args:
        height, width (int): Of the image in pixels.
        size (int): Side of a tile in pixels. Tiles at the right and lower edge may be longer by less than
            `multiple_of`.
        overlap (int): Pixels that a tile sees beside what is kept of it, at least, where the image has them.
        multiple_of (int): What the first row and column of each tile are multiples of, so that a network that folds
            pixels into channels folds the same ones in each.
    """
    for (rows, kept_rows), (columns, kept_columns) in product(
        _spans(height, size, overlap, multiple_of), _spans(width, size, overlap, multiple_of)
    ):
        yield Tile((rows, columns), (kept_rows, kept_columns))


def _spans(length: int, size: int, overlap: int, multiple_of: int) -> list[tuple[slice, slice]]:
    if length <= size:
        return [(slice(0, length), slice(0, length))]
    step = (size - 2 * overlap) // multiple_of * multiple_of
    last = (length - size) // multiple_of * multiple_of
    starts = [*range(0, last, step), last]
    # Between two tiles the middle of what both see.
    cuts = [(start + size + following) // 2 for start, following in pairwise(starts)]
    stops = [*(start + size for start in starts[:-1]), length]
    return [
        (slice(start, stop), slice(first, end))
        for start, stop, first, end in zip(starts, stops, [0, *cuts], [*cuts, length])
    ]
