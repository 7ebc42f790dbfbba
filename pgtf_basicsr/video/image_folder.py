"""Folders of images as videos: a frame each, in natural order of their names."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from ..errors import DataError
from ..images import has_alpha, is_image_file, read_deep_image
from .formats import ALPHA_NOTE, VideoFormat
from .frame import Frame

__all__ = ['ImageFolderReader', 'frame_files', 'natural_key']

# Frames per second of a folder that comes without.
RATE = Fraction(25)


def frame_files(folder: Path) -> list[Path]:
    """List the images of a folder in natural order: frame 2 before frame 10. Hidden files and folders are none."""
    return sorted(
        (path for path in folder.iterdir() if is_image_file(path.name) and path.is_file()),
        key=lambda path: natural_key(path.name),
    )


def natural_key(name: str) -> tuple[tuple[str, int], ...]:
    """Make a key that sorts the numbers in names by their value."""
    return tuple((text, int(number or -1)) for text, number in re.findall(r'(\D*)(\d*)', name))


class ImageFolderReader:
    """The images of a folder as frames, to iterate over once, inside ``with``.

    Args:
        path (str | Path): The folder.
        rate (Fraction): Frames per second.

    Attributes:
        path (Path): The folder.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        rate (Fraction): Frames per second.
        num_frames (int): Number of images.
        time_base (Fraction): Seconds of a frame.
        pixel_aspect (Fraction): 1.
        format (VideoFormat): RGB of 8 or 16 bits.
        warnings (list[str]): What is known before the first frame of what differs from the images: alpha, where the
            first one has it.
        end (None): The last image lasts as long as the others.

    Raises:
        DataError: On construction, there is no image. While iterating, one cannot be read or is of another size.
    """

    end: Fraction | None = None

    def __init__(self, path: str | Path, rate: Fraction = RATE):
        self.path, self.rate = Path(path), Fraction(rate)
        self._files = frame_files(self.path)
        if not self._files:
            raise DataError(f'{path} has no images')
        first = read_deep_image(self._files[0])
        self.height, self.width = first.shape[:2]
        self.num_frames = len(self._files)
        self.time_base, self.pixel_aspect = 1 / self.rate, Fraction(1)
        self.format = VideoFormat(depth=8 * first.itemsize, chroma='rgb')
        self.warnings = [ALPHA_NOTE] if has_alpha(self._files[0]) else []

    def __enter__(self) -> 'ImageFolderReader':
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open between two frames."""

    def __iter__(self) -> Iterator[Frame]:
        for number, file in enumerate(self._files):
            image = read_deep_image(file)
            if image.shape != (self.height, self.width, 3):
                raise DataError(
                    f'{file} is {image.shape[1]}x{image.shape[0]}, the images before it are {self.width}x{self.height}'
                )
            yield Frame(image, number * self.time_base, self.time_base)
