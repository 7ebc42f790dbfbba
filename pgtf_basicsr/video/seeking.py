"""Frames out of the middle of video files, by their numbers."""

from collections import deque

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..errors import DataError
from .codecs import CONVERSION

__all__ = ['VIDEO_SUFFIXES', 'count_frames', 'iterate_frames', 'read_frames']

VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi')


def read_frames(source, numbers, name):
    """Frames of a video of constant frame rate, counted from 0.

    Args:
        source (str | BinaryIO): The video.
        numbers (list[int]): Frames to read, in any order, with repetitions.
        name (str): What messages call the video.

    Returns:
        list[ndarray]: (H, W, 3) uint8 RGB each.

    Raises:
        DataError: It is no video, it is damaged, or it has no such frame.
    """
    ordered = sorted(set(numbers))
    frames = dict(zip(ordered, iterate_frames(source, ordered, name)))
    return [frames[number] for number in numbers]


def iterate_frames(source, numbers, name):
    """The same one after another, from a single pass through the video, for numbers that increase.

    Decoding starts at the key frame before the first of them, so files with many key frames are read fastest.  One
    thread decodes: loaders have a process for each core.

    Args, Raises: as of `read_frames`.

    Yields:
        ndarray: (H, W, 3) uint8 RGB.
    """
    waiting = deque(numbers)
    try:
        with av.open(source) as container:
            stream = _video_stream(container, name)
            stream.codec_context.thread_count = 1
            start, per_frame = stream.start_time or 0, 1 / (stream.average_rate * stream.time_base)
            container.seek(start + int(waiting[0] * per_frame), stream=stream)
            reformatter = VideoReformatter()
            for frame in container.decode(stream):
                number = round((frame.pts - start) / per_frame)
                if frame.is_corrupt:
                    raise DataError(f'{name} is damaged at frame {number}')
                if number > waiting[0]:
                    break
                if number == waiting[0]:
                    # PyAV's own conversion to RGB would set up a thread pool for every frame.
                    rgb = reformatter.reformat(frame, format='rgb24', interpolation=CONVERSION, threads=1)
                    yield np.ascontiguousarray(rgb.to_ndarray())
                    waiting.popleft()
                    if not waiting:
                        return
    except (av.FFmpegError, OSError) as error:
        raise DataError(f'{name} cannot be read as a video: {error.strerror or error}') from error
    raise DataError(f'{name} has no frame {waiting[0]}: it is cut short, or its frame rate changes')


def count_frames(path):
    """Number of frames that a video states, or else has.

    Raises:
        DataError: It is no video.
    """
    try:
        with av.open(path) as container:
            stream = _video_stream(container, path)
            return stream.frames or sum(1 for _ in container.decode(stream))
    except (av.FFmpegError, OSError) as error:
        raise DataError(f'{path} cannot be read as a video: {error.strerror or error}') from error


def _video_stream(container, name):
    stream = container.streams.best('video')
    if stream is None or not stream.average_rate:
        raise DataError(f'{name} has no video stream, or states no frame rate')
    return stream
