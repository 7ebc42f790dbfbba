"""What worker processes write: a clip's files, in a folder of their own, from where they are moved into place."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ..data.clips import write_frame, write_landmarks
from ..video.codecs import CONVERSION, LIMITED, REPRODUCIBLE
from .pieces import frame_name

__all__ = ['STORAGES', 'ClipEncoder', 'FrameWriter', 'link_or_copy', 'stage_landmarks']

STORAGES = ('frames', 'lmdb', 'video')
# A window of any eight frames is found after decoding at most seven in vain.
KEY_FRAME_INTERVAL = 8


class FrameWriter:
    """A folder of PNG files, written frame by frame.

    Args:
        folder (Path): To be made.
        first (int): Number of the first frame.
    """

    def __init__(self, folder, first):
        self._folder, self._number = folder, first
        folder.mkdir(parents=True)

    def write(self, frame):
        """Append a frame (H, W, 3) uint8 RGB."""
        write_frame(self._folder / f'{frame_name(self._number)}.png', frame)
        self._number += 1

    def close(self):
        """Nothing is left to do."""


class ClipEncoder:
    """An H.264 file made for reading windows out of its middle: many key frames, and no frame waits for a later one.

    4:2:0, limited range, BT.709, tagged so; 4:4:4 where a side is odd.  One thread, so that bytes do not vary.

    Args:
        path (Path): The file, ``.mp4``.
        rate (Fraction): Frames per second.
        crf (int): From 0, the best quality, to 51.
        width, height (int): Of a frame in pixels.
    """

    def __init__(self, path, rate, crf, width, height):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._container = av.open(str(path), 'w', format='mp4')
        options = {
            'crf': str(crf),
            'bf': '0',
            'g': str(KEY_FRAME_INTERVAL),
            'chroma_sample_location': 'center',
            **REPRODUCIBLE,
        }
        self._stream = self._container.add_stream('libx264', rate=Fraction(rate), options=options)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = 'yuv444p' if width % 2 or height % 2 else 'yuv420p'
        self._stream.thread_count = 1
        context = self._stream.codec_context
        context.time_base = 1 / Fraction(rate)
        context.colorspace, context.color_primaries, context.color_trc, context.color_range = 1, 1, 1, LIMITED
        self._count = 0

    def write(self, frame):
        """Append a frame (H, W, 3) uint8 RGB."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), 'rgb24').reformat(
            format=self._stream.pix_fmt, dst_colorspace=1, dst_color_range=LIMITED, interpolation=CONVERSION
        )
        picture.colorspace, picture.color_range = 1, LIMITED
        picture.pts, picture.time_base = self._count, self._stream.codec_context.time_base
        self._count += 1
        self._container.mux(self._stream.encode(picture))

    def close(self):
        """Write what the encoder holds back, and the index."""
        self._container.mux(self._stream.encode())
        self._container.close()


def link_or_copy(source, target):
    """Give a file a second name; copy it where that cannot be, as on another file system."""
    # A link to a link would break with it.
    source = os.path.realpath(source)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def stage_landmarks(staging, piece):
    """Write a piece's landmarks."""
    folder = Path(staging) / 'landmarks'
    folder.mkdir(parents=True, exist_ok=True)
    write_landmarks(folder / f'{piece.name}.txt', dict(zip(map(frame_name, piece.numbers), piece.landmarks)))
