"""Decoded frames whose own samples are needed, rather than what is left of them by way of RGB."""

from typing import NamedTuple

import av
import numpy as np

from .chroma import ChromaLocation
from .formats import NOT_STATED, VideoFormat, depth_of, is_full_range, is_rgb, subsampling_of
from .layouts import planar_samples
from .orientation import Orientation
from .planes import Planes

__all__ = ['DecodedFrame']


class DecodedFrame(NamedTuple):
    """A frame as the decoder gave it.

    Attributes:
        frame (VideoFrame): The frame.
        orientation (Orientation): How it is turned and mirrored to be upright.
        location (ChromaLocation): Where its chroma samples lie, before it is turned.
    """

    frame: av.VideoFrame
    orientation: Orientation
    location: ChromaLocation

    def planes(self, format: VideoFormat) -> Planes | None:
        """Copy its samples, upright, without a change.

        Args:
            format (VideoFormat): The format to have them in.

        Returns:
            Planes: None where the samples are not of that format: they would have to be converted.
        """
        if not self._has_format(format):
            return None
        samples = [self.orientation.turned(plane).copy() for plane in planar_samples(self.frame)]
        if len(samples) == 1:  # gray
            shape = format.chroma_shape(*samples[0].shape)
            samples += [np.full(shape, 2 ** (format.depth - 1), samples[0].dtype) for _ in range(2)]
        return Planes(tuple(samples), format)

    def _has_format(self, format: VideoFormat) -> bool:
        frame = self.frame
        return (
            not is_rgb(frame)
            and format.chroma != 'rgb'
            and depth_of(frame) == format.depth
            and is_full_range(frame) == format.full_range
            and (frame.colorspace or NOT_STATED) == format.color.matrix
            and (len(frame.format.components) < 3 or self._has_chroma(format))
        )

    def _has_chroma(self, format: VideoFormat) -> bool:
        """Whether its chroma samples, when they are turned, are as many as those of a format, and in their places."""
        frame, transposed = self.frame, self.orientation.transposed
        factors = subsampling_of(frame)
        width, height = (frame.height, frame.width) if transposed else (frame.width, frame.height)
        location = self.orientation.chroma_location(self.location, width, height)
        return format.subsampling == (factors[::-1] if transposed else factors) and all(
            factor == 1 or place == wanted
            for factor, place, wanted in zip(format.subsampling, location, format.chroma_location)
        )
