"""Opening files for FFmpeg, and choosing the video stream to read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.stream import Disposition

from ..errors import DataError

__all__ = ['MAX_PIXELS', 'OpenVideo', 'open_input', 'open_output', 'open_video']

# Largest frame that is read, 16K. What claims more is damaged, and would take gigabytes before that shows.
MAX_PIXELS = 2**27
# Bytes of tags that are not UTF-8 are kept as they are.
TAG_ERRORS = 'surrogateescape'
# Frames per second that a file may state.
MIN_RATE, MAX_RATE = Fraction(1, 3600), 1000


class OpenVideo:
    """A video file that is open for reading.

    Attributes:
        container (InputContainer): PyAV's container.
        stream (VideoStream): The default one of its video streams; a cover image is none.
        rate (Fraction | None): Frames per second, exact; None if none is stated that can be.
        time_base (Fraction): Seconds of a unit of the stream's time stamps.
    """

    def __init__(self, container: av.container.InputContainer, name: str):
        self.container, self.stream = container, _best_video_stream(container, name)
        if self.stream.codec_context is None:
            raise DataError(f'{name} has video of a codec that FFmpeg cannot decode here')
        if self.stream.width * self.stream.height > MAX_PIXELS:
            raise DataError(
                f'{name} claims frames of {self.stream.width}x{self.stream.height} pixels; '
                f'{MAX_PIXELS / 1e6:.0f} million pixels can be read'
            )
        rates = self.stream.average_rate, self.stream.guessed_rate, self.stream.base_rate
        self.rate = next((rate for rate in rates if rate and MIN_RATE <= rate <= MAX_RATE), None)
        if not self.stream.time_base:
            raise DataError(f'{name} does not state the unit of its time stamps')
        self.time_base = self.stream.time_base


@contextmanager
def open_video(source: str | Path | BinaryIO, name: str) -> Iterator[OpenVideo]:
    """Open a video for the duration of a ``with`` block.

    Args:
        source (str | Path | BinaryIO): A path or an open file.
        name (str): What error messages call the video.

    Yields:
        OpenVideo: Nothing is decoded yet.

    Raises:
        DataError: It is not a video, it has no video stream that can be decoded, or it claims too large frames.
    """
    try:
        container = open_input(source)
    except (av.FFmpegError, OSError) as error:
        raise DataError(f'{name} is not a video, or it is damaged: {error.strerror or error}') from error
    with container:
        yield OpenVideo(container, name)


def open_input(source: str | Path | BinaryIO) -> av.container.InputContainer:
    """Open a file for reading by FFmpeg, and nothing but this file.

    FFmpeg gets a file descriptor instead of a name: a name with a colon would be one of its protocols, one with a
    percent sign a sequence of images. Playlists cannot name other files or addresses, since no protocol is allowed
    that could open them.

    Args:
        source (str | Path | BinaryIO): A path or an open file.

    Raises:
        OSError: There is no such file, or it cannot be read.
        av.FFmpegError: FFmpeg does not know what it is.
    """
    if not isinstance(source, (str, Path)):
        return _open(source, {})
    with open(source, 'rb') as file:
        return _open('fd:', {'fd': str(file.fileno())})


def open_output(
    target: str | Path | BinaryIO, container_format: str, options: Mapping[str, str] | None = None
) -> av.container.OutputContainer:
    """Open a file for writing by FFmpeg, whatever its name.

    Args:
        target (str | Path | BinaryIO): A path or an open file.
        container_format (str): Name of the muxer.
        options (Mapping[str, str], optional): Options of the muxer.
    """
    file = f'file:{target}' if isinstance(target, (str, Path)) else target
    return av.open(
        file, 'w', format=container_format, container_options=dict(options or {}), metadata_errors=TAG_ERRORS
    )


def _open(file: str | BinaryIO, options: Mapping[str, str]) -> av.container.InputContainer:
    return av.open(file, 'r', container_options={'protocol_whitelist': 'fd', **options}, metadata_errors=TAG_ERRORS)


def _best_video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    best = container.streams.best('video')
    streams = [] if best is None else [best, *container.streams.video]
    for stream in streams:
        if isinstance(stream, av.VideoStream) and not stream.disposition & Disposition.attached_pic:
            return stream
    raise DataError(f'{name} has no video stream' + (', only a cover image' if streams else ''))
