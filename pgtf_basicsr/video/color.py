"""Colours of a video, as its file states them."""

from typing import NamedTuple

__all__ = ['Color', 'color_of']


class Color(NamedTuple):
    """What the numbers of a video mean as colours, in code points of ITU-T H.273.

    The default is BT.709.  2 means "not stated"; such a matrix is taken for BT.601's, both when
    reading and when writing.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


def color_of(pixel_format, context):
    if pixel_format.is_rgb:
        return Color()
    return Color(context.colorspace, context.color_primaries, context.color_trc)
