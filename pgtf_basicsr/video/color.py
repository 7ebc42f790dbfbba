"""Colours of a video: what its file states, and conversion between RGB and YCbCr."""

from typing import NamedTuple

import av
import numpy as np

from .codecs import LIMITED_RANGE, SWSCALE_FLAGS, pixel_format

__all__ = ['BT709', 'Color', 'color_of', 'to_rgb', 'to_yuv']


class Color(NamedTuple):
    """What the values of a video mean as colours, in code points of ITU-T H.273.

    The default is BT.709. 2 means "not stated"; such a matrix is taken as BT.601's, both when reading and when writing.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


BT709 = Color()


def color_of(frame: av.VideoFrame, context: av.VideoCodecContext) -> Color:
    """Read the colours that a decoder states. RGB frames have no matrix, so they count as BT.709."""
    if frame.format.is_rgb:
        return BT709
    return Color(context.colorspace, context.color_primaries, context.color_trc)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Convert a decoded frame to (H, W, 3) uint8 RGB.

    Raises:
        av.FFmpegError: FFmpeg cannot convert its colours.
    """
    return frame.to_ndarray(format='rgb24', interpolation=SWSCALE_FLAGS)


def to_yuv(image: np.ndarray, matrix: int) -> av.VideoFrame:
    """Convert (H, W, 3) uint8 RGB to a frame to encode, in limited range and the format of `codecs.pixel_format`.

    Args:
        image (ndarray): (H, W, 3), uint8.
        matrix (int): Matrix of the conversion, see `Color`.
    """
    height, width = image.shape[:2]
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), 'rgb24').reformat(
        format=pixel_format(width, height),
        dst_colorspace=matrix,
        dst_color_range=LIMITED_RANGE,
        interpolation=SWSCALE_FLAGS,
    )
    frame.colorspace, frame.color_range = matrix, LIMITED_RANGE
    return frame
