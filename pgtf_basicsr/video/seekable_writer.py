"""Videos made for reading windows out of their middle, see `seeking`."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from .codecs import REPRODUCIBLE
from .formats import plain_format
from .opening import open_output
from .planes import to_planes
from .writer import add_video_stream

__all__ = ['SeekableVideoWriter']

# A window of any eight frames is found after decoding at most seven in vain.
KEY_FRAME_INTERVAL = 8


class SeekableVideoWriter:
    """An H.264 file with many key frames, in which no frame depends on a later one.

    4:2:0 (4:4:4 where a side is odd), limited range, BT.709, tagged so. The same frames give the same bytes.

    Args:
        path (Path): The file, ``.mp4``. Its folder is made if needed.
        rate (Fraction): Frames per second, exact.
        crf (int): Quality, from 0, the best, to 51.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
    """

    def __init__(self, path: Path, rate: Fraction, crf: int, width: int, height: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = open_output(path, 'mp4')
        options = {'crf': str(crf), 'bf': '0', 'g': str(KEY_FRAME_INTERVAL), **REPRODUCIBLE}
        self._stream = add_video_stream(self._container, 'libx264', Fraction(rate), width, height, options)
        self._stream.thread_count = 1  # bytes vary with threads
        self._format = plain_format(width, height)
        self._count = 0

    def write(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8 RGB."""
        encoded = to_planes(frame, self._format).to_frame()
        encoded.pts, encoded.time_base = self._count, self._stream.codec_context.time_base
        self._count += 1
        self._container.mux(self._stream.encode(encoded))

    def close(self) -> None:
        """Write what the encoder holds back, and the index."""
        self._container.mux(self._stream.encode())
        self._container.close()
