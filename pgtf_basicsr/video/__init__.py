"""Video files: reading, seeking, writing, colours and codecs, all through PyAV."""

from .color import Color
from .reader import VideoReader
from .writer import VideoWriter

__all__ = ['Color', 'VideoReader', 'VideoWriter']
