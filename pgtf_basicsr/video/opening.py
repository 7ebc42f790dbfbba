"""Opening a video file and choosing its stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import av

from ..errors import DataError

__all__ = ['OpenVideo', 'open_video']


class OpenVideo:
    """A video file that is open for reading.

    Attributes:
        container (InputContainer): PyAV's container.
        stream (VideoStream): The default one of its video streams.
        rate (Fraction): Frames per second, exact.
        time_base (Fraction): Seconds of a unit of the stream's time stamps.
    """

    def __init__(self, container: av.container.InputContainer, name: str):
        stream = container.streams.best('video')
        if not isinstance(stream, av.VideoStream):
            raise DataError(f'{name} has no video stream')
        rate = stream.average_rate or stream.guessed_rate
        if not rate or not stream.time_base:
            raise DataError(f'{name} does not state its frame rate')
        self.container, self.stream = container, stream
        self.rate, self.time_base = rate, stream.time_base


@contextmanager
def open_video(source: str | BinaryIO, name: str) -> Iterator[OpenVideo]:
    """Open a video for the duration of a ``with`` block.

    Args:
        source (str | BinaryIO): A path or an open file.
        name (str): What error messages call the video.

    Yields:
        OpenVideo: Nothing is decoded yet.

    Raises:
        DataError: It is not a video, it has no video stream, or it does not state a frame rate.
    """
    try:
        container = av.open(source, 'r')
    except (av.FFmpegError, OSError) as error:
        raise DataError(f'{name} is not a video, or it is damaged: {error.strerror or error}') from error
    with container:
        yield OpenVideo(container, name)
