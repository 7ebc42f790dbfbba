"""Video files as streams of frames."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from ..errors import DataError
from .color import to_rgb, to_uint8
from .formats import format_of
from .opening import open_video

__all__ = ['VideoReader']


class VideoReader:
    """The frames of a video file, upright and in display order, to iterate over once, inside ``with``.

    Iterating gives arrays (H, W, 3) uint8 RGB. A few of them are in memory at a time, however long the video.

    Of several video streams the default one is read. Frames are rotated as the file's display matrix says, in steps of
    90 degrees. A variable frame rate is not followed: `rate` is then the average.

    Args:
        path (str | Path): Any video that FFmpeg can decode.

    Attributes:
        path (Path): The file.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        rate (Fraction): Frames per second, exact, such as 30000/1001.
        num_frames (int | None): Number of frames that the container states; None if it states none. A video that was
            trimmed without encoding it again has fewer.
        color (Color): What the file states about its colours.
        pixel_aspect (Fraction): Width of a pixel over its height.

    Raises:
        DataError: On construction, the file is missing or is not a video. While iterating, the video breaks off or
            cannot be decoded; the message says after which frame.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(f'video not found: {path} (looked for {self.path.absolute()})')
        with ExitStack() as stack:
            video = stack.enter_context(open_video(str(path), str(path)))
            self._container, self._stream, self.rate = video.container, video.stream, video.rate
            self._stream.thread_type = 'AUTO'
            decoded = self._decode()
            first = next(decoded, None)
            if first is None:
                raise DataError(f'{path} has no frame that can be decoded')
            self._resources = stack.pop_all()

        self.num_frames = self._stream.frames or None
        self.format = format_of(first, self._stream.codec_context)
        self.color = self.format.color
        self.width, self.height = first.width, first.height
        self.pixel_aspect = self._stream.sample_aspect_ratio or Fraction(1)
        quarter_turns = round(first.rotation / 90)
        if quarter_turns % 2:
            self.width, self.height = self.height, self.width
            self.pixel_aspect = 1 / self.pixel_aspect
        self._frames = self._upright(chain([first], decoded), quarter_turns)

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._resources.__exit__(exc_type, error, traceback)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._frames

    def _decode(self) -> Iterator[av.VideoFrame]:
        count, end = 0, Fraction(0)
        try:
            for packet in self._container.demux():
                if packet.pts is not None:
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                if packet.stream is not self._stream:
                    continue
                if packet.is_corrupt:
                    raise DataError(f'{self.path} breaks off or is damaged after frame {count}')
                for frame in self._stream.decode(packet):
                    yield frame
                    count += 1
        except av.FFmpegError as error:
            raise DataError(f'{self.path} cannot be decoded after frame {count}: {error.strerror}') from error
        self._check_duration(count, end)

    def _upright(self, decoded: Iterable[av.VideoFrame], quarter_turns: int) -> Iterator[np.ndarray]:
        for index, frame in enumerate(decoded):
            try:
                rgb = to_uint8(to_rgb(frame))
            except av.FFmpegError as error:
                raise DataError(
                    f'{self.path} has colours that cannot be converted to RGB: '
                    f'{frame.format.name}, matrix {self.color.matrix}'
                ) from error
            rgb = np.ascontiguousarray(np.rot90(rgb, quarter_turns))
            if rgb.shape != (self.height, self.width, 3):
                raise DataError(
                    f'{self.path} changes from {self.width}x{self.height} to '
                    f'{rgb.shape[1]}x{rgb.shape[0]} at frame {index}: split it there'
                )
            yield rgb

    def _check_duration(self, count: int, end: Fraction) -> None:
        # A truncated Matroska file just ends; of other containers the last packet is marked as corrupt.
        if 'matroska' not in self._container.format.name or not self._container.duration:
            return
        stated = Fraction(self._container.duration, av.time_base)
        if end + max(Fraction(1, 2), 2 / self.rate) < stated:
            raise DataError(
                f'{self.path} breaks off after frame {count}: it has {float(end):.2f} s of '
                f'the {float(stated):.2f} s that it states'
            )
