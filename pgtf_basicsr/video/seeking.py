"""Frames from the middle of video files, by their numbers."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import av
import numpy as np

from ..errors import DataError
from .chroma import ChromaLocation
from .color import to_rgb, to_uint8
from .formats import chroma_location
from .opening import open_video
from .orientation import Orientation, orientation_of

__all__ = ['count_frames', 'iterate_frames', 'read_frames']


def read_frames(source: str | BinaryIO, numbers: Sequence[int], name: str) -> list[np.ndarray]:
    """Read frames of a video of constant frame rate by their numbers, counted from 0.

    Args:
        source (str | BinaryIO): The video.
        numbers (list[int]): Numbers of the frames to read, in any order, with repetitions.
        name (str): What error messages call the video.

    Returns:
        list[ndarray]: (H, W, 3) uint8 RGB each.

    Raises:
        DataError: It is not a video, it is damaged, or it has no such frame.
    """
    ordered = sorted(set(numbers))
    frames = dict(zip(ordered, iterate_frames(source, ordered, name)))
    return [frames[number] for number in numbers]


def iterate_frames(source: str | BinaryIO, numbers: Sequence[int], name: str) -> Iterator[np.ndarray]:
    """Read frames of increasing numbers one after another, in a single pass through the video.

    Decoding starts at the key frame before the first of them, so files with many key frames are read fastest. One
    thread decodes: data loaders have a process for each core.

    Args:
        source (str | BinaryIO): The video, of constant frame rate.
        numbers (Sequence[int]): Numbers of the frames to read, increasing, counted from 0.
        name (str): What error messages call the video.

    Yields:
        ndarray: (H, W, 3) uint8 RGB, upright.

    Raises:
        DataError: It is not a video, it is damaged, or it has no such frame.
    """
    waiting = deque(numbers)
    with open_video(source, name) as video:
        stream = video.stream
        if video.rate is None:
            raise DataError(f'{name} does not state its frame rate')
        stream.codec_context.thread_count = 1
        start, per_frame = stream.start_time or 0, 1 / (video.rate * video.time_base)
        orientation: Orientation | None = None
        location: ChromaLocation | None = None
        try:
            video.container.seek(start + int(waiting[0] * per_frame), stream=stream)
            for frame in video.container.decode(stream):
                if frame.pts is None:
                    raise DataError(f'{name} has frames without time stamps')
                number = round((frame.pts - start) / per_frame)
                if frame.is_corrupt:
                    raise DataError(f'{name} is damaged at frame {number}')
                if number > waiting[0]:
                    break
                if number == waiting[0]:
                    orientation = orientation or orientation_of(frame)
                    location = location or chroma_location(frame)
                    yield orientation.upright(to_uint8(to_rgb(frame, location)))
                    waiting.popleft()
                    if not waiting:
                        return
        except (av.FFmpegError, OSError) as error:
            raise _undecodable(name, error) from error
    raise DataError(f'{name} has no frame {waiting[0]}: it is cut short, or its frame rate changes')


def count_frames(path: str) -> int:
    """Count the frames of a video: the number that the file states, or else by decoding it.

    Raises:
        DataError: It is not a video, or it is damaged.
    """
    with open_video(path, path) as video:
        try:
            return video.stream.frames or sum(1 for _ in video.container.decode(video.stream))
        except (av.FFmpegError, OSError) as error:
            raise _undecodable(path, error) from error


def _undecodable(name: str, error: av.FFmpegError | OSError) -> DataError:
    return DataError(f'{name} cannot be decoded: {error.strerror or error}')
