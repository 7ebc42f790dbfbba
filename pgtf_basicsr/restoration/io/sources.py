"""Where a video to restore comes from: a file, a folder of images, or another program."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ...errors import DataError, require
from ...files import list_visible
from ...images import is_image_file
from ...video import VideoReader
from ...video.codecs import is_video_file
from ...video.completeness import missing_end
from ...video.formats import VideoFormat
from ...video.frame import Frame
from ...video.image_folder import RATE, ImageFolderReader
from ..settings import Settings

__all__ = [
    'PIPE',
    'STANDARD_INPUT',
    'ArraysSource',
    'Source',
    'check_array',
    'holds_frames',
    'open_source',
    'refuse_rate',
]

# What stands for standard input and output on the command line.
PIPE = '-'
STANDARD_INPUT = '/dev/stdin'


class ImagesInRange(ImageFolderReader):
    """The images of a folder whose times lie between a start and an end."""

    def __init__(self, path: Path, settings: Settings):
        super().__init__(path, settings.rate or RATE)
        self._start, self._end = settings.start or Fraction(0), settings.end
        if settings.start is not None or settings.end is not None:
            self.num_frames = sum(map(self._is_inside, range(self.num_frames)))
        if not self.num_frames:
            raise DataError(f'{path} has no frame between start and end')

    def __enter__(self) -> 'ImagesInRange':
        return self

    def __iter__(self) -> Iterator[Frame]:
        return (frame for number, frame in enumerate(super().__iter__()) if self._is_inside(number))

    def _is_inside(self, number: int) -> bool:
        time = number * self.time_base
        return self._start <= time and (self._end is None or time < self._end)


Source: TypeAlias = VideoReader | ImagesInRange


class ArraysSource:
    """Frames in memory, to be iterated over as often as what holds them.

    Args:
        arrays (Iterable[ndarray]): (H, W, 3) uint8 RGB, of the size of the first; one at least.
        rate (Fraction): Frames per second.

    Attributes: As of `ImageFolderReader`.

    Raises:
        ValueError: There is no frame.
    """

    def __init__(self, arrays: Iterable[np.ndarray], rate: Fraction):
        iterator = iter(arrays)
        first = next(iterator, None)
        if first is None:
            raise ValueError('there is no frame')
        self._arrays = chain([first], iterator) if iterator is arrays else arrays
        self.rate, self.pixel_aspect = rate, Fraction(1)
        self.height, self.width = first.shape[:2]
        self.format = VideoFormat(depth=8, chroma='rgb')

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames.

        Raises:
            ValueError: One is of another size or type.
        """
        for number, array in enumerate(self._arrays):
            check_array(array, number, self.height, self.width)
            yield Frame(array, number / self.rate, 1 / self.rate)


def check_array(array: np.ndarray, number: int, height: int, width: int) -> None:
    """Check that a frame in memory, which has a number, is (height, width, 3) uint8.

    Raises:
        ValueError: It is not.
    """
    if array.dtype != np.uint8 or array.shape != (height, width, 3):
        raise ValueError(f'frame {number} is {array.dtype} {array.shape}, not uint8 ({height}, {width}, 3)')


def open_source(source: str | Path, settings: Settings, on_damage: Callable[[str], None]) -> Source:
    """Open a video file, a folder of images, or standard input, by its name.

    Args:
        source (str | Path): The file or folder; - is standard input.
        settings (Settings): Which part of it to read, and how.
        on_damage (Callable): Takes a line for all damage that is read past.

    Raises:
        DataError: There is nothing to read, or a file breaks off that is to be read to its end.
        UserError: A frame rate is set for what has its own.
    """
    path = Path(STANDARD_INPUT if str(source) == PIPE else source)
    if path.is_dir() and str(source) != PIPE:
        return ImagesInRange(path, settings)
    if str(source) == PIPE:
        require(path.is_file() or path.is_fifo(), 'standard input is neither a file nor a pipe')
    refuse_rate(source, settings)
    # A long restoration would find it out at its end.
    missing = missing_end(path) if settings.end is None and path.is_file() else None
    if missing:
        raise DataError(f'{source} breaks off: {missing}; with --end, what comes before can be restored')
    return VideoReader(path, settings.start, settings.end, settings.deinterlace, on_damage)


def refuse_rate(source: str | Path, settings: Settings) -> None:
    """Refuse a frame rate that is set for something other than a folder of images.

    Raises:
        UserError: It is.
    """
    require(settings.rate is None, f'--rate is for a folder of images, {source} states its own times')


def holds_frames(folder: Path) -> bool:
    """Whether a folder is a video as images, rather than one of videos."""
    names = list_visible(folder)
    return any(map(is_image_file, names)) and not any(map(is_video_file, names))
