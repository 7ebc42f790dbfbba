"""Video files as streams of frames, through PyAV.

Frames are uint8 RGB arrays of shape (H, W, 3).  A few of them are in memory at a time, however
long the video.
"""

from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from ..errors import UserError
from .codecs import CONVERSION
from .color import color_of

__all__ = ['VideoReader']


class VideoReader:
    """The frames of a video file, upright and in display order; to iterate once, inside ``with``.

    Of several video streams the default one is read.  Frames are turned as the file's display
    matrix says, in steps of 90 degrees.  A variable frame rate is not followed: `rate` is then
    the average.

    Args:
        path (str | Path): any video that FFmpeg can decode.

    Attributes:
        path (Path): the file.
        width (int): of a frame, in pixels.
        height (int): of a frame, in pixels.
        rate (Fraction): frames per second, exact, such as 30000/1001.
        num_frames (int | None): as the container states, None if it does not; videos that were
            trimmed without encoding them again show fewer.
        color (Color): what the file says about its colours.
        pixel_aspect (Fraction): width of a pixel over its height.

    Raises:
        UserError: on construction, the file is missing or not a video; while iterating, it
            breaks off or cannot be decoded, and after which frame.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f'video not found: {path} (looked for {self.path.absolute()})')
        with ExitStack() as stack:
            try:
                self._container = stack.enter_context(av.open(str(path)))
            except av.FFmpegError as error:
                raise UserError(f'{path} is not a video, or it is damaged: {error.strerror}') from error
            self._stream = self._container.streams.best('video')
            if self._stream is None:
                raise UserError(f'{path} has no video stream')
            self._stream.thread_type = 'AUTO'
            self.rate = self._stream.average_rate or self._stream.guessed_rate
            if not self.rate:
                raise UserError(f'{path} does not state its frame rate')
            decoded = self._decode()
            first = next(decoded, None)
            if first is None:
                raise UserError(f'{path} has no frame that can be decoded')
            self._resources = stack.pop_all()

        self.num_frames = self._stream.frames or None
        self.color = color_of(first.format, self._stream.codec_context)
        self.width, self.height = first.width, first.height
        self.pixel_aspect = self._stream.sample_aspect_ratio or Fraction(1)
        quarter_turns = round(first.rotation / 90)
        if quarter_turns % 2:
            self.width, self.height = self.height, self.width
            self.pixel_aspect = 1 / self.pixel_aspect
        self._frames = self._upright(chain([first], decoded), quarter_turns)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        return self._resources.__exit__(*exc_info)

    def __iter__(self):
        return self._frames

    def _decode(self):
        count, end = 0, 0
        try:
            for packet in self._container.demux():
                if packet.pts is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.stream is not self._stream:
                    continue
                if packet.is_corrupt:
                    raise UserError(f'{self.path} breaks off or is damaged after frame {count}')
                for frame in packet.decode():
                    yield frame
                    count += 1
        except av.FFmpegError as error:
            raise UserError(f'{self.path} cannot be decoded after frame {count}: {error.strerror}') from error
        self._check_whole(count, end)

    def _upright(self, decoded, quarter_turns):
        for index, frame in enumerate(decoded):
            try:
                rgb = frame.to_ndarray(format='rgb24', interpolation=CONVERSION)
            except av.FFmpegError as error:
                raise UserError(
                    f'{self.path} has colours that cannot be turned into RGB: '
                    f'{frame.format.name}, matrix {self.color.matrix}'
                ) from error
            rgb = np.ascontiguousarray(np.rot90(rgb, quarter_turns))
            if rgb.shape != (self.height, self.width, 3):
                raise UserError(
                    f'{self.path} changes from {self.width}x{self.height} to '
                    f'{rgb.shape[1]}x{rgb.shape[0]} at frame {index}: split it there'
                )
            yield rgb

    def _check_whole(self, count, end):
        # A cut Matroska file just ends; of other containers the last packet is marked as corrupt.
        if 'matroska' not in self._container.format.name or not self._container.duration:
            return
        stated = Fraction(self._container.duration, av.time_base)
        if end + max(Fraction(1, 2), 2 / self.rate) < stated:
            raise UserError(
                f'{self.path} breaks off after frame {count}: it has {float(end):.2f} s of '
                f'the {float(stated):.2f} s that it states'
            )
