"""How a decoded frame lays out its samples in memory, and views of them."""

import re

import av
import numpy as np

from .codecs import SWSCALE_FLAGS
from .formats import depth_of, is_rgb, subsampling_of
from .repacking import repack

__all__ = ['planar_samples', 'plane_samples']

# Formats whose planes are read as they are: little-endian; alpha is a plane after the others.
PLANAR = re.compile(r'(yuv[ja]?4\d\dp|gray|gbra?p)(9le|1\dle)?$')
LAYOUTS = {(1, 1): '444', (2, 1): '422', (2, 2): '420', (1, 2): '440', (4, 1): '411', (4, 4): '410'}


def planar_samples(frame: av.VideoFrame) -> list[np.ndarray]:
    """View the samples of a frame in planes, at the same depth and subsampling, without alpha.

    Returns:
        list[ndarray]: Y, Cb and Cr, or G, B and R, or gray alone, see `plane_samples`. They are copies where the frame
            lays them out otherwise.

    Raises:
        av.FFmpegError: FFmpeg cannot convert it.
    """
    depth = depth_of(frame)
    planar = frame
    if not PLANAR.match(frame.format.name):
        suffix = f'{depth}le' if depth > 8 else ''
        planar = repack(frame, format=_layout(frame) + suffix, interpolation=SWSCALE_FLAGS)
    return [plane_samples(plane, depth) for plane in planar.planes[:3]]


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


def _layout(frame: av.VideoFrame) -> str:
    if is_rgb(frame):
        return 'gbrp'
    if len(frame.format.components) < 3:
        return 'gray'
    return f'yuv{LAYOUTS[subsampling_of(frame)]}p'
