"""How a decoded frame lays out its samples in memory, and views of them."""

import re

import av
import numpy as np

from .codecs import SWSCALE_FLAGS
from .formats import depth_of, is_rgb, subsampling_of
from .repacking import repack

__all__ = ['as_planar', 'plane_samples']

# Formats whose planes are read as they are: little-endian, without alpha.
PLANAR = re.compile(r'(yuvj?4\d\dp|gray|gbrp)(9le|1\dle)?$')
LAYOUTS = {(1, 1): '444', (2, 1): '422', (2, 2): '420', (1, 2): '440', (4, 1): '411', (4, 4): '410'}


def as_planar(frame: av.VideoFrame) -> av.VideoFrame:
    """Lay out the samples of a frame in planes, at the same depth and subsampling; alpha is dropped.

    Returns:
        VideoFrame: Y, Cb, Cr, or G, B, R, or gray, in little-endian; the same frame where it is that already.

    Raises:
        av.FFmpegError: FFmpeg cannot convert it.
    """
    if PLANAR.match(frame.format.name):
        return frame
    depth = depth_of(frame)
    suffix = f'{depth}le' if depth > 8 else ''
    if is_rgb(frame):
        layout = 'gbrp'
    elif len(frame.format.components) < 3:
        layout = 'gray'
    else:
        layout = f'yuv{LAYOUTS[subsampling_of(frame)]}p'
    return repack(frame, format=layout + suffix, interpolation=SWSCALE_FLAGS)


def plane_samples(plane: av.video.plane.VideoPlane, depth: int) -> np.ndarray:
    """View the samples of a plane.

    Args:
        plane (VideoPlane): Plane of a frame with little-endian samples.
        depth (int): Bits of a sample.

    Returns:
        ndarray: (H, W), uint8 or uint16, without what pads its lines, writable if the frame is new.
    """
    samples = np.frombuffer(memoryview(plane), np.dtype('<u2' if depth > 8 else 'u1'))
    return samples.reshape(plane.height, -1)[:, : plane.width]
