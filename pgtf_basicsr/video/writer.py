"""Streams of frames as video files."""

from collections.abc import Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from ..errors import UserError
from ..files import temporary_beside
from .codecs import LIMITED_RANGE, REPRODUCIBLE
from .formats import BT709, Color, plain_format
from .joining import join_segments
from .opening import open_output
from .planes import to_planes
from .streams import plan_streams

__all__ = ['VideoWriter', 'add_video_stream']

# Otherwise the muxer would shift the times of a file that begins with frames decoded before zero.
EXACT_TIMES = {'avoid_negative_ts': 'disabled'}


class VideoWriter:
    """A video file written frame by frame, inside ``with``. It appears when the block ends without an error.

    Until then the frames go to a file beside it. If the block raises, that file is removed, and an earlier file at
    `path` stays as it was. H.264 in 4:2:0 needs an even width and height, so frames of other sizes are written in
    4:4:4: the size is always the one given. The range is limited (16 to 235): FFmpeg's conversion to full range would
    shift the colours. The same frames give the same bytes.

    Args:
        path (str | Path): File with the suffix .mp4, .m4v, .mov or .mkv. Its folder must exist.
        rate (Fraction): Frames per second, exact.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        streams_from (str | Path, optional): A video whose other streams, chapters and tags are copied, in step with
            the frames.
        codec (str): A video encoder of FFmpeg that has `crf`.
        crf (int): Quality, from 0, the best, to 51.
        color (Color): The colours to write, and to state in the file.
        pixel_aspect (Fraction): Width of a pixel over its height.
        time_base (Fraction, optional): Unit of the times of the frames, in seconds. Default: the time of a frame.

    Attributes:
        plan (StreamPlan): What is copied, and what cannot be.

    Raises:
        UserError: The suffix is not one of those above, the container cannot hold the audio, the path is a folder,
            or the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        rate: Fraction,
        width: int,
        height: int,
        streams_from: str | Path | None = None,
        codec: str = 'libx264',
        crf: int = 18,
        color: Color = BT709,
        pixel_aspect: Fraction = Fraction(1),
        time_base: Fraction | None = None,
    ):
        self.path = Path(path)
        self.plan = plan_streams(streams_from, path)
        if self.path.is_dir():
            raise UserError(f'cannot write {path}: there is a folder of that name')
        self.rate, self.width, self.height = Fraction(rate), width, height
        self._codec, self._crf, self._color, self._pixel_aspect = codec, crf, color, pixel_aspect
        self._time_base = time_base or 1 / self.rate
        self._num_frames = 0

    def __enter__(self) -> 'VideoWriter':
        try:
            with ExitStack() as stack:
                self._segment = stack.enter_context(temporary_beside(self.path, '.nut'))
                stack.push(self._join)
                self._container = stack.enter_context(open_output(self._segment, 'nut', EXACT_TIMES))
                options = {'crf': str(self._crf)}
                if self._codec == 'libx264':
                    options |= {'threads': '1', **REPRODUCIBLE}
                self._stream = add_video_stream(
                    self._container, self._codec, self.rate, self.width, self.height, options, self._color
                )
                context = self._stream.codec_context
                context.sample_aspect_ratio, context.time_base = self._pixel_aspect, self._time_base
                context.open()
                self._container.start_encoding()
                stack.push(self._flush)
                self._resources = stack.pop_all()
        except (OSError, av.FFmpegError) as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return self._resources.__exit__(exc_type, error, traceback)
        except (OSError, av.FFmpegError) as failure:
            raise self._failure(failure) from failure

    def write(self, frame: np.ndarray, time: Fraction | None = None) -> None:
        """Append a frame.

        Args:
            frame (ndarray): (H, W, 3), RGB, uint8.
            time (Fraction, optional): When it is shown, in seconds. Default: in step with the rate.

        Raises:
            ValueError: The array has another shape or type.
            UserError: The file cannot be written, for example because the disk is full.
        """
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise ValueError(f'expected uint8 ({self.height}, {self.width}, 3), got {frame.dtype} {tuple(frame.shape)}')
        encoded = to_planes(frame, plain_format(self.width, self.height, self._color)).to_frame()
        time = self._num_frames / self.rate if time is None else time
        encoded.pts, encoded.time_base = round(time / self._time_base), self._time_base
        self._num_frames += 1
        try:
            self._container.mux(self._stream.encode(encoded))
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def _flush(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self._container.mux(self._stream.encode())

    def _join(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            join_segments([self._segment], self.path, self.plan, self.rate, self._color)

    def _failure(self, error: av.FFmpegError | OSError) -> UserError:
        return UserError(f'cannot write {self.path}: {error.strerror or error}')


def add_video_stream(
    container: av.container.OutputContainer,
    codec: str,
    rate: Fraction,
    width: int,
    height: int,
    options: Mapping[str, str],
    color: Color = BT709,
) -> av.VideoStream:
    """Add a video stream of constant frame rate in limited range to a container.

    Args:
        container (OutputContainer): PyAV's container.
        codec (str): A video encoder of FFmpeg.
        rate (Fraction): Frames per second, exact.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        options (Mapping[str, str]): Options of the encoder.
        color (Color): The colours that the stream states.
    """
    # The conversion puts chroma into the middle of its pixels; decoders assume the left unless told.
    stream = container.add_stream(codec, rate=rate, options={**options, 'chroma_sample_location': 'center'})
    if not isinstance(stream, av.VideoStream):
        raise ValueError(f'{codec} is not a video encoder')
    stream.width, stream.height = width, height
    stream.pix_fmt = plain_format(width, height).pixel_format
    context = stream.codec_context
    context.time_base = 1 / rate
    context.colorspace, context.color_range = color.matrix, LIMITED_RANGE
    context.color_primaries, context.color_trc = color.primaries, color.transfer
    return stream
