"""Segments of a video: files of their own, from which the whole is joined without encoding it again."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2

from ..errors import UserError
from .encoding import Encoding, state_format
from .fields import state_fields
from .frame import PlanarFrame

__all__ = ['SegmentWriter', 'segment_suffix']

# x264 reads memory that was never written where there is AVX-512. Below it, the same frames give the same bytes.
WITHOUT_AVX512 = 'asm=avx2'
CPU_AVX_512F = 13


def segment_suffix(encoding: Encoding) -> str:
    """Suffix of segments: NUT, whose time base is any fraction; it does not know ProRes, so that is in QuickTime."""
    return '.mov' if encoding.codec == 'prores' else '.nut'


class SegmentWriter:
    """A file of encoded frames with their time stamps, inside ``with``.

    It depends on nothing before it: it begins with a key frame, and the same frames give the same bytes. It is complete
    when the block ends; callers write it under another name until then.

    Args:
        path (Path): The file, with the suffix of `segment_suffix`.
        encoding (Encoding): How frames are encoded.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        rate (Fraction): Nominal frames per second.
        time_base (Fraction): Unit of the time stamps in seconds: a divisor of all times and durations.

    Raises:
        UserError: The file cannot be written.
    """

    def __init__(self, path: Path, encoding: Encoding, width: int, height: int, rate: Fraction, time_base: Fraction):
        self.path, self._encoding = path, encoding
        self._width, self._height = width, height
        self._rate, self._time_base = rate, time_base
        self._count = 0
        self._name = f'file:{path}'
        # Without them, times are shifted: to begin at 0, or to milliseconds.
        self._options = {'avoid_negative_ts': 'disabled'}
        if encoding.codec == 'prores':
            self._options['movie_timescale'] = str(time_base.denominator)

    def __enter__(self) -> 'SegmentWriter':
        try:
            with ExitStack() as stack:
                self._container = stack.enter_context(av.open(self._name, 'w', self.path.suffix[1:], self._options))
                self._stream = self._add_stream()
                self._resources = stack.pop_all()
        except (OSError, av.FFmpegError) as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with self._resources:
                if exc_type is None:
                    self._finish()
        except (OSError, av.FFmpegError) as failure:
            raise self._failure(failure) from failure

    def write(self, frame: PlanarFrame) -> None:
        """Append a frame.

        Raises:
            ValueError: Its size or format is another one, or its time is not a multiple of the time base.
            UserError: The file cannot be written, for example because the disk is full.
        """
        shape = frame.planes.samples[0].shape
        if shape != (self._height, self._width):
            raise ValueError(f'expected ({self._height}, {self._width}), got {shape}')
        if frame.planes.format != self._encoding.format:
            raise ValueError(f'expected {self._encoding.format}, got {frame.planes.format}')
        units = frame.time / self._time_base
        if units.denominator != 1:
            raise ValueError(f'{frame.time} s is not a multiple of {self._time_base} s')
        encoded = frame.planes.to_frame()
        encoded.pts, encoded.time_base = units.numerator, self._time_base
        self._count += 1
        try:
            self._container.mux(self._stream.encode(state_fields(encoded, self._encoding.format.field_order)))
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def _add_stream(self) -> av.VideoStream:
        options = dict(self._encoding.options)
        if self._encoding.encoder == 'libx264' and cv2.checkHardwareSupport(CPU_AVX_512F):
            options['x264-params'] = ':'.join(filter(None, [options.get('x264-params'), WITHOUT_AVX512]))
        stream = self._container.add_stream(self._encoding.encoder, rate=self._rate, options=options)
        stream.width, stream.height = self._width, self._height
        stream.pix_fmt = self._encoding.format.pixel_format
        stream.codec_context.time_base = self._time_base
        state_format(stream.codec_context, self._encoding.format)
        stream.codec_context.open()
        return stream

    def _finish(self) -> None:
        packets = self._stream.encode()
        times = [packet.pts or 0 for packet in packets]
        # Of one or two frames x265 gives any number as the decoding time.
        if len(packets) == self._count and times == sorted(times):
            for packet in packets:
                packet.dts = packet.pts
        self._container.mux(packets)

    def _failure(self, error: av.FFmpegError | OSError) -> UserError:
        return UserError(f'cannot write {self.path}: {error.strerror or error}')
