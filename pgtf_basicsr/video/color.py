"""Conversion between RGB and YCbCr, with the equations of ITU-T H.273.

Samples that nothing changed come back as they were, at every depth, range and subsampling. FFmpeg's swscale does so at
8 bits in 4:4:4 and limited range only: it blurs subsampled chroma, truncates it in full range, and shifts samples of
more than 8 bits by up to two code values.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import av
import cv2
import numpy as np

from .chroma import LEFT, ChromaLocation, enlarge, shrink
from .codecs import SWSCALE_FLAGS
from .formats import VideoFormat, chroma_location, depth_of, is_full_range, is_rgb
from .layouts import planar_samples
from .repacking import repack

__all__ = ['planes_to_rgb', 'rgb_to_planes', 'to_rgb', 'to_uint8', 'ycbcr_equation']

# Shares of red and blue in luma, by the matrix's code point. One that is not stated is taken as BT.601's, as by FFmpeg.
BT601 = (0.299, 0.114)
LUMA_SHARES = {
    0: BT601,
    1: (0.2126, 0.0722),
    2: BT601,
    4: (0.3, 0.11),
    5: BT601,
    6: BT601,
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
# Lines that are converted at a time, and those beside them that chroma filters look at: both multiples of 4.
BAND, MARGIN = 128, 16


def to_rgb(frame: av.VideoFrame, location: ChromaLocation | None = None) -> np.ndarray:
    """Convert a decoded frame to RGB.

    Args:
        frame (VideoFrame): The frame.
        location (ChromaLocation, optional): Where its chroma samples lie, by default found by `chroma_location`, which
            takes as long as a fifth of the conversion.

    Returns:
        ndarray: (H, W, 3), uint8, or uint16 (0 to 65535) where samples have more than 8 bits.

    Raises:
        av.FFmpegError: FFmpeg cannot convert its colours.
    """
    depth, rgb = depth_of(frame), is_rgb(frame)
    if (rgb and depth == 8) or (not rgb and frame.colorspace not in LUMA_SHARES):
        return repack(frame, format='rgb24' if depth == 8 else 'rgb48le', interpolation=SWSCALE_FLAGS).to_ndarray()
    planes = planar_samples(frame)
    if rgb:
        return _merged(planes, depth)
    matrix, offset = ycbcr_equation(frame.colorspace, depth, is_full_range(frame))
    if len(planes) == 1:  # gray
        planes += [np.full_like(planes[0], offset[1])] * 2
    elif planes[1].shape != planes[0].shape:
        location = location or chroma_location(frame)
    return _ycbcr_to_rgb(planes, matrix, offset, location or LEFT)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Reduce an image to 8 bits, (H, W, 3) uint8, if it is uint16 (0 to 65535)."""
    return image if image.dtype == np.uint8 else _rounded(image * np.float32(255 / 65535), np.uint8)


def rgb_to_planes(image: np.ndarray, format: VideoFormat) -> tuple[np.ndarray, ...]:
    """Convert RGB to the planes of a frame, see `planes.to_planes`.

    Args:
        image (ndarray): (H, W, 3), uint8 or uint16 (0 to 65535).
        format (VideoFormat): Depth, subsampling, range, matrix and chroma location of the planes.
    """
    if format.depth == 8:
        image = to_uint8(image)
    if format.chroma == 'rgb' and np.iinfo(image.dtype).max == 2**format.depth - 1:
        red, green, blue = cv2.split(image)
        return green, blue, red
    height, width = image.shape[:2]
    shapes = [(height, width), *[format.chroma_shape(height, width)] * 2]
    planes = tuple(np.empty(shape, np.uint8 if format.depth == 8 else np.uint16) for shape in shapes)
    for band in _bands(height):
        for plane, samples in zip(planes, _full_planes(image[band.first : band.last], format)):
            lines, seen, inner = band.of(plane, height)
            reduced = shrink(samples, seen.stop - seen.start, plane.shape[1], format.chroma_location)
            plane[lines] = _rounded(reduced[inner], np.uint16, 2**format.depth - 1)
    return planes


def planes_to_rgb(planes: Sequence[np.ndarray], format: VideoFormat) -> np.ndarray:
    """Convert the planes of a frame to RGB, see `planes.Planes.to_rgb`.

    Args:
        planes (Sequence[ndarray]): Y, Cb and Cr, or G, B and R: (h, w) uint8, or uint16 of more than 8 bits.
        format (VideoFormat): What they mean.

    Returns:
        ndarray: (H, W, 3), uint8, or uint16 (0 to 65535) where samples have more than 8 bits.
    """
    if format.chroma == 'rgb':
        return _merged(planes, format.depth)
    matrix, offset = ycbcr_equation(format.color.matrix, format.depth, format.full_range)
    return _ycbcr_to_rgb(planes, matrix, offset, format.chroma_location)


class _Band(NamedTuple):
    """Lines of a frame from `start` to `stop`, for which those from `first` to `last` are looked at.

    Frames are converted in bands, which stay in the processor's cache.
    """

    start: int
    stop: int
    first: int
    last: int

    def of(self, plane: np.ndarray, height: int) -> tuple[slice, slice, slice]:
        """Make slices of a plane: those lines in it, what is looked at in it, and the former within the latter."""
        down = -(-height // len(plane))
        start, stop, first, last = self.start // down, -(-self.stop // down), self.first // down, -(-self.last // down)
        return slice(start, stop), slice(first, last), slice(start - first, stop - first)


def _bands(height: int) -> Iterator[_Band]:
    for start in range(0, height, BAND):
        stop = min(start + BAND, height)
        yield _Band(start, stop, max(start - MARGIN, 0), min(stop + MARGIN, height))


def _ycbcr_to_rgb(
    planes: Sequence[np.ndarray], matrix: np.ndarray, offset: np.ndarray, location: ChromaLocation
) -> np.ndarray:
    height, width = planes[0].shape
    image = np.empty((height, width, 3), planes[0].dtype)
    inverse = np.linalg.inv(matrix) * np.iinfo(image.dtype).max
    affine = np.column_stack([inverse, -inverse @ offset])
    for band in _bands(height):
        lines, _, inner = band.of(planes[0], height)
        luma, *chroma = [plane[band.of(plane, height)[1]].astype(np.float32) for plane in planes]
        chroma = [enlarge(part, len(luma), width, location)[inner] for part in chroma]
        image[lines] = _rounded(cv2.transform(cv2.merge([luma[inner], *chroma]), affine), image.dtype.type)
    return image


def _full_planes(image: np.ndarray, format: VideoFormat) -> list[np.ndarray]:
    """Make the planes of a frame, all of them at full resolution."""
    if format.chroma == 'rgb':
        red, green, blue = cv2.split(image * np.float32((2**format.depth - 1) / np.iinfo(image.dtype).max))
        return [green, blue, red]
    matrix, offset = ycbcr_equation(format.color.matrix, format.depth, format.full_range)
    affine = np.column_stack([matrix / np.iinfo(image.dtype).max, offset])
    return list(cv2.split(cv2.transform(image.astype(np.float32), affine)))


def _merged(planes: Sequence[np.ndarray], depth: int) -> np.ndarray:
    """Make an image of planes G, B and R."""
    green, blue, red = planes
    image = cv2.merge([red, green, blue])
    if depth in (8, 16):
        return image
    return _rounded(image * np.float32(65535 / (2**depth - 1)), np.uint16)


def ycbcr_equation(matrix: int, depth: int, full_range: bool) -> tuple[np.ndarray, np.ndarray]:
    """Make matrix (3, 3) and offset (3,) by which RGB in [0, 1] becomes the code values of Y, Cb and Cr.

    Section 8.3 of ITU-T H.273, for matrices with constants of luma.
    """
    red, blue = LUMA_SHARES.get(matrix, BT601)
    luma = np.array([red, 1 - red - blue, blue])
    ycbcr = np.stack([luma, ([0, 0, 1] - luma) / (2 - 2 * blue), ([1, 0, 0] - luma) / (2 - 2 * red)])
    step, largest = 2 ** (depth - 8), 2**depth - 1
    scale = [largest] * 3 if full_range else [219 * step, 224 * step, 224 * step]
    offset = [0 if full_range else 16 * step, 128 * step, 128 * step]
    return ycbcr * np.array(scale)[:, None], np.array(offset)


def _rounded(values: np.ndarray, dtype: type[np.integer], largest: int | None = None) -> np.ndarray:
    """Round to integers from 0 to `largest`, by default the largest of the type."""
    rounded = cv2.addWeighted(values, 1, values, 0, 0, dtype=cv2.CV_8U if dtype is np.uint8 else cv2.CV_16U)
    return rounded if largest is None else np.minimum(rounded, largest, out=rounded)
