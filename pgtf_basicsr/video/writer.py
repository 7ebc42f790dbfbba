"""Streams of frames as video files."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from ..errors import UserError
from ..files import replacing
from .codecs import CONTAINERS, LIMITED_RANGE
from .color import to_yuv
from .formats import BT709, Color, plain_format

__all__ = ['VideoWriter', 'add_video_stream']


class VideoWriter:
    """A video file written frame by frame, inside ``with``. It appears when the block ends without an error.

    Until then the frames go to a file beside it. If the block raises, that file is removed, and an earlier file at
    `path` stays as it was. H.264 in 4:2:0 needs an even width and height, so frames of other sizes are written in
    4:4:4: the size is always the one given. The range is limited (16 to 235): FFmpeg's conversion to full range would
    shift the colours.

    Args:
        path (str | Path): File with the suffix .mp4, .m4v, .mov or .mkv. Its folder must exist.
        rate (Fraction): Frames per second, exact.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        audio_from (str | Path, optional): A video whose audio tracks are copied without encoding them again, in
            step with its frames.
        codec (str): A video encoder of FFmpeg that has `crf`.
        crf (int): Quality, from 0, the best, to 51.
        color (Color): The colours to write, and to state in the file.
        pixel_aspect (Fraction): Width of a pixel over its height.

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
        audio_from: str | Path | None = None,
        codec: str = 'libx264',
        crf: int = 18,
        color: Color = BT709,
        pixel_aspect: Fraction = Fraction(1),
    ):
        self.path = Path(path)
        if self.path.suffix.lower() not in CONTAINERS:
            raise UserError(f'cannot write {path}: its extension must be one of {", ".join(CONTAINERS)}')
        if self.path.is_dir():
            raise UserError(f'cannot write {path}: there is a folder of that name')
        self.rate, self.width, self.height = Fraction(rate), width, height
        self._audio_from, self._codec, self._crf = audio_from, codec, crf
        self._color, self._pixel_aspect = color, pixel_aspect
        self._num_frames = 0

    def __enter__(self) -> 'VideoWriter':
        try:
            with ExitStack() as stack:
                partial = stack.enter_context(replacing(self.path))
                container_format = CONTAINERS[self.path.suffix.lower()]
                self._container = stack.enter_context(av.open(str(partial), 'w', format=container_format))
                options = {'crf': str(self._crf)}
                self._stream = add_video_stream(
                    self._container, self._codec, self.rate, self.width, self.height, options, self._color
                )
                self._stream.codec_context.sample_aspect_ratio = self._pixel_aspect
                self._stream.codec_context.open()
                self._audio = self._add_audio(stack)
                self._next_audio = next(self._audio, None)
                stack.push(self._finish)
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

    def write(self, frame: np.ndarray) -> None:
        """Append a frame.

        Args:
            frame (ndarray): (H, W, 3), RGB, uint8.

        Raises:
            ValueError: The array has another shape or type.
            UserError: The file cannot be written, for example because the disk is full.
        """
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise ValueError(f'expected uint8 ({self.height}, {self.width}, 3), got {frame.dtype} {tuple(frame.shape)}')
        encoded = to_yuv(frame, plain_format(self.width, self.height, self._color))
        encoded.pts, encoded.time_base = self._num_frames, 1 / self.rate
        self._num_frames += 1
        try:
            self._container.mux(self._stream.encode(encoded))
            self._copy_audio(until=self._num_frames / self.rate)
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def _add_audio(self, stack: ExitStack) -> Iterator[tuple[Fraction, 'av.Packet[av.AudioStream]']]:
        source = stack.enter_context(av.open(str(self._audio_from), 'r')) if self._audio_from else None
        streams = source.streams.audio if source else ()
        try:
            tracks = {stream.index: self._container.add_stream_from_template(stream) for stream in streams}
            self._container.start_encoding()
        except ValueError as error:  # FFmpeg's "invalid argument" is one too
            if not streams:
                raise
            codecs = ', '.join(stream.codec_context.name for stream in streams)
            raise UserError(
                f'{self.path} cannot hold the audio of {self._audio_from} ({codecs}): .mkv holds most kinds'
            ) from error
        return _audio_packets(source, tracks) if source and tracks else iter(())

    def _copy_audio(self, until: float | Fraction) -> None:
        while self._next_audio is not None:
            time, packet = self._next_audio
            if time >= until:
                return
            self._container.mux(packet)
            self._next_audio = next(self._audio, None)

    def _finish(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc_type is None:
            self._container.mux(self._stream.encode())
            self._copy_audio(until=math.inf)

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


def _audio_packets(
    source: av.container.InputContainer, tracks: Mapping[int, av.AudioStream]
) -> Iterator[tuple[Fraction, 'av.Packet[av.AudioStream]']]:
    """Read the audio packets of `source` for the tracks of another container, timed from the first video frame.

    Yields:
        tuple[Fraction, Packet]: The time in seconds at which the packet is decoded, and the packet.
    """
    video = source.streams.best('video')
    start = video.start_time * video.time_base if video and video.start_time and video.time_base else Fraction(0)
    try:
        for packet in source.demux(source.streams.audio):
            time_base = packet.time_base
            if packet.dts is None or packet.pts is None or time_base is None:  # the one that would flush a decoder
                continue
            shift = round(start / time_base)
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = tracks[packet.stream.index]
            yield packet.dts * time_base, packet
    except av.FFmpegError as error:
        raise UserError(f'the audio of {source.name} cannot be read: {error.strerror}') from error
