"""Conversions of FFmpeg's swscale between layouts of samples, in the caller's thread."""

from typing import Any

import av
from av.video.reformatter import VideoReformatter

__all__ = ['repack']


def repack(frame: av.VideoFrame, **options: Any) -> av.VideoFrame:
    """Convert a frame as its own method ``reformat`` does; it is the same frame where nothing changes.

    The method leaves threads with the frame. Data workers are forked without them, and one that collected the frame
    would wait for them for ever.

    Args:
        frame (VideoFrame): The frame.
        **options: Arguments of PyAV's ``VideoReformatter.reformat``.

    Raises:
        av.FFmpegError: FFmpeg cannot convert it.
    """
    return VideoReformatter().reformat(frame, **options, threads=1)
