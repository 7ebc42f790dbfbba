"""Video files, all through PyAV: reading, seeking, writing, colours, codecs, and shot boundaries."""

from .formats import Color
from .reader import VideoReader
from .seekable_writer import SeekableVideoWriter
from .writer import VideoWriter

__all__ = ['Color', 'SeekableVideoWriter', 'VideoReader', 'VideoWriter']
