"""Streams of frames as video files, through PyAV."""

import math
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ..errors import UserError
from ..files import replacing
from .codecs import CONTAINERS, CONVERSION, LIMITED
from .color import Color

__all__ = ['VideoWriter']


class VideoWriter:
    """A video file written frame by frame, inside ``with``; it appears when the block ends well.

    Until then the frames go to a file beside it.  When the block raises, that is removed and an
    earlier file at `path` stays as it was.  H.264 in 4:2:0 needs an even width and height, so
    other sizes are written in 4:4:4: the size is always the one given.  The range is limited (16
    to 235): FFmpeg's conversion to full range would shift the colours.

    Args:
        path (str | Path): .mp4, .m4v, .mov or .mkv; its folder must exist.
        rate (Fraction): frames per second, exact.
        width (int): of a frame, in pixels.
        height (int): of a frame, in pixels.
        audio_from (str | Path, optional): a video whose audio tracks are copied without encoding
            them again, in step with its frames.
        codec (str): a video encoder of FFmpeg that has `crf`.
        crf (int): from 0, the best quality, to 51.
        color (Color): the colours to write, and to state in the file.
        pixel_aspect (Fraction): width of a pixel over its height.

    Raises:
        UserError: the extension is not one of those above, the container cannot hold the audio,
            the name is a folder's, or the file cannot be written.
    """

    def __init__(
        self,
        path,
        rate,
        width,
        height,
        audio_from=None,
        codec='libx264',
        crf=18,
        color=Color(),
        pixel_aspect=Fraction(1),
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

    def __enter__(self):
        try:
            with ExitStack() as stack:
                partial = stack.enter_context(replacing(self.path))
                container_format = CONTAINERS[self.path.suffix.lower()]
                self._container = stack.enter_context(av.open(str(partial), 'w', format=container_format))
                self._stream = self._add_video()
                self._audio = self._add_audio(stack)
                self._audio_packet = next(self._audio, None)
                stack.push(self._finish)
                self._resources = stack.pop_all()
        except (OSError, av.FFmpegError) as error:
            raise self._failure(error) from error
        return self

    def __exit__(self, *exc_info):
        try:
            return self._resources.__exit__(*exc_info)
        except (OSError, av.FFmpegError) as error:
            raise self._failure(error) from error

    def write(self, frame):
        """Append a frame.

        Args:
            frame (ndarray): (H, W, 3), RGB, uint8.

        Raises:
            ValueError: the array is of another shape or type.
            UserError: the file cannot be written, for one because the disk is full.
        """
        if frame.shape != (self.height, self.width, 3) or frame.dtype != np.uint8:
            raise ValueError(f'expected uint8 ({self.height}, {self.width}, 3), got {frame.dtype} {tuple(frame.shape)}')
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), 'rgb24').reformat(
            format=self._stream.pix_fmt,
            dst_colorspace=self._color.matrix,
            dst_color_range=LIMITED,
            interpolation=CONVERSION,
        )
        picture.colorspace, picture.color_range = self._color.matrix, LIMITED
        picture.pts, picture.time_base = self._num_frames, 1 / self.rate
        self._num_frames += 1
        try:
            self._container.mux(self._stream.encode(picture))
            self._copy_audio(until=self._num_frames / self.rate)
        except av.FFmpegError as error:
            raise self._failure(error) from error

    def _add_video(self):
        # The conversion puts chroma into the middle of its pixels; decoders assume the left unless told.
        options = {'crf': str(self._crf), 'chroma_sample_location': 'center'}
        stream = self._container.add_stream(self._codec, rate=self.rate, options=options)
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = 'yuv444p' if self.width % 2 or self.height % 2 else 'yuv420p'
        context = stream.codec_context
        context.time_base = 1 / self.rate
        context.sample_aspect_ratio = self._pixel_aspect
        context.colorspace, context.color_range = self._color.matrix, LIMITED
        context.color_primaries, context.color_trc = self._color.primaries, self._color.transfer
        context.open()
        return stream

    def _add_audio(self, stack):
        source = stack.enter_context(av.open(str(self._audio_from))) if self._audio_from else None
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
        return _audio_packets(source, tracks) if tracks else iter(())

    def _copy_audio(self, until):
        while self._audio_packet is not None:
            if self._audio_packet.dts * self._audio_packet.time_base >= until:
                return
            self._container.mux(self._audio_packet)
            self._audio_packet = next(self._audio, None)

    def _finish(self, exc_type, *_):
        if exc_type is None:
            self._container.mux(self._stream.encode())
            self._copy_audio(until=math.inf)

    def _failure(self, error):
        return UserError(f'cannot write {self.path}: {error.strerror or error}')


def _audio_packets(source, tracks):
    """Yield the audio packets of `source`, counted from its first video frame, for other tracks."""
    video = source.streams.best('video')
    start = (video.start_time or 0) * video.time_base if video else 0
    try:
        for packet in source.demux(source.streams.audio):
            if packet.dts is None:  # the one that would flush a decoder
                continue
            shift = round(start / packet.time_base)
            packet.pts -= shift
            packet.dts -= shift
            packet.stream = tracks[packet.stream.index]
            yield packet
    except av.FFmpegError as error:
        raise UserError(f'the audio of {source.name} cannot be read: {error.strerror}') from error
