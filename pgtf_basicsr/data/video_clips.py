"""Frames out of the middle of video files, by their numbers."""
import av
import numpy as np
from av.video.reformatter import VideoReformatter

from ..errors import DataError
from ..restoration.video import CONVERSION

__all__ = ['VIDEO_SUFFIXES', 'count_frames', 'read_frames']

VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi')


def read_frames(source, numbers, name):
    """Frames of a video of constant frame rate, counted from 0.

    Decoding starts at the key frame before the first of them, so files with many key frames are read fastest.  One
    thread decodes: loaders have a process for each core.

    Args:
        source (str | BinaryIO): The video.
        numbers (list[int]): Frames to read, in any order, with repetitions.
        name (str): What messages call the video.

    Returns:
        list[ndarray]: (H, W, 3) uint8 RGB each.

    Raises:
        DataError: It is no video, it is damaged, or it has no such frame.
    """
    wanted = set(numbers)
    frames = {}
    try:
        with av.open(source) as container:
            stream = _video_stream(container, name)
            stream.codec_context.thread_count = 1
            start, per_frame = stream.start_time or 0, 1 / (stream.average_rate * stream.time_base)
            container.seek(start + int(min(wanted) * per_frame), stream=stream)
            reformatter = VideoReformatter()
            for frame in container.decode(stream):
                number = round((frame.pts - start) / per_frame)
                if frame.is_corrupt:
                    raise DataError(f'{name} is damaged at frame {number}')
                if number in wanted:
                    # PyAV's own conversion to RGB would set up a thread pool for every frame.
                    rgb = reformatter.reformat(frame, format='rgb24', interpolation=CONVERSION, threads=1)
                    frames[number] = rgb.to_ndarray()
                if len(frames) == len(wanted) or number > max(wanted):
                    break
    except (av.FFmpegError, OSError) as error:
        raise DataError(f'{name} cannot be read as a video: {error.strerror or error}') from error
    missing = sorted(wanted - set(frames))
    if missing:
        raise DataError(f'{name} has no frame {missing[0]}: it is cut short, or its frame rate changes')
    return [np.ascontiguousarray(frames[number]) for number in numbers]


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
