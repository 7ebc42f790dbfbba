"""Versions of what the pixels of a benchmark depend on."""

import re
from typing import Any

import av
import cv2
import numpy as np

from ...video.codecs import REPRODUCIBLE

__all__ = ['ARITHMETIC', 'installed_versions']

# To be raised with every change of this package after which the same clips and options give other pixels.
ARITHMETIC = 1


def installed_versions() -> dict[str, str]:
    """Return the versions that are installed here, by name."""
    return {
        'arithmetic': str(ARITHMETIC),
        'numpy': np.__version__,  # draws
        'opencv': cv2.__version__,  # image files, the warp of crops
        'pyav': av.__version__,
        'libavcodec': '.'.join(map(str, av.library_versions['libavcodec'])),
        'x264': _x264_version(),
    }


def _x264_version() -> str:
    """Return x264's version as it writes it into each stream."""
    encoder: Any = av.CodecContext.create('libx264', 'w')
    encoder.width = encoder.height = 16
    encoder.pix_fmt, encoder.framerate = 'yuv420p', 25
    encoder.options = REPRODUCIBLE
    frame = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format='yuv420p')
    stream = b''.join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    found = re.search(rb'x264 - core ([ -~]*?) - H\.264', stream)
    return found[1].decode() if found else 'unknown'
