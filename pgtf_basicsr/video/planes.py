"""Frames as planes of samples, as codecs give and take them."""

from typing import NamedTuple

import av
import numpy as np

from .color import planes_to_rgb, rgb_to_planes
from .formats import VideoFormat
from .layouts import plane_samples
from .repacking import repack

__all__ = ['Planes', 'side_by_side', 'to_planes']


class Planes(NamedTuple):
    """The samples of a frame, upright.

    Attributes:
        samples (tuple[ndarray, ...]): Y, Cb and Cr, or G, B and R: each (h, w), uint8, or uint16 of more than 8 bits.
            They are contiguous, and memory of their own: what changes them changes nothing else.
        format (VideoFormat): What they mean.
    """

    samples: tuple[np.ndarray, ...]
    format: VideoFormat

    def to_rgb(self) -> np.ndarray:
        """Convert to an image (H, W, 3) of RGB, uint8, or uint16 (0 to 65535) where samples have more than 8 bits."""
        return planes_to_rgb(self.samples, self.format)

    def to_frame(self) -> av.VideoFrame:
        """Copy the samples to a frame to encode."""
        format = self.format
        if format.pixel_format == 'bgr0':
            return repack(av.VideoFrame.from_ndarray(self.to_rgb(), 'rgb24'), format='bgr0')
        height, width = self.samples[0].shape
        frame = av.VideoFrame(width, height, format.pixel_format)
        for plane, samples in zip(frame.planes, self.samples, strict=True):
            plane_samples(plane, format.depth)[:] = samples
        if format.chroma != 'rgb':
            frame.colorspace = format.color.matrix
        frame.color_range = format.color_range
        return frame


def to_planes(image: np.ndarray, format: VideoFormat) -> Planes:
    """Convert an image of RGB to planes.

    Args:
        image (ndarray): (H, W, 3), uint8 or uint16 (0 to 65535).
        format (VideoFormat): Depth, subsampling, range, matrix and chroma location of the planes.
    """
    return Planes(rgb_to_planes(image, format), format)


def side_by_side(left: Planes, right: Planes) -> Planes:
    """Put two frames of the same size and format beside each other.

    Where a width is odd and chroma subsampled, the chroma samples of the right one come to lie elsewhere, so both are
    converted.
    """
    format = left.format
    width = left.samples[0].shape[1]
    if width % 2 and format.subsampling[0] > 1:
        return to_planes(np.hstack((left.to_rgb(), right.to_rgb())), format)
    return Planes(tuple(np.hstack(pair) for pair in zip(left.samples, right.samples, strict=True)), format)
