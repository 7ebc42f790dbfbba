"""Where a video to restore comes from: a file, a folder of images, or another program."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ..files import list_visible
from ..images import is_image_file
from ..video import VideoReader
from ..video.codecs import is_video_file
from ..video.formats import VideoFormat
from ..video.frame import Frame
from .settings import Settings

__all__ = ['PIPE', 'Source', 'holds_frames', 'open_source']

# What stands for standard input and output on the command line.
PIPE = '-'


class Source(Protocol):
    """Frames to restore, and what is known of them, inside ``with``; see `video.VideoReader`."""

    path: Path
    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    num_frames: int | None
    pixel_aspect: Fraction
    format: VideoFormat
    warnings: list[str]

    def __iter__(self) -> Iterator[Frame]: ...


def open_source(source: str | Path, settings: Settings, on_damage: Callable[[str], None]) -> VideoReader:
    return VideoReader(source, settings.start, settings.end, settings.deinterlace, on_damage)


def holds_frames(folder: Path) -> bool:
    """Whether a folder is a video as images, rather than one of videos."""
    names = list_visible(folder)
    return any(map(is_image_file, names)) and not any(map(is_video_file, names))
