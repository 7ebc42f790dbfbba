"""Landmarks that come with a dataset, in the formats in use.

==============  =====================================================================================================
``keep``        a text file per clip, ``<clip>.txt``, lines ``<frame> x1 y1 ... x5 y5``, <frame> a name with or
                without folder and suffix; or ten numbers alone, for the frames of the clip in order
``pgtformer``   one list, lines ``<clip>/<frame>.png||||,`` and ten values of the landmarks, then six of a matrix
``vfhq``        VFHQ's meta data, ``<clip>.txt``: lines ``H``, ``W`` and ``CROP left top right bottom`` in the uncropped
                frame, then ``<frame> <index> <left> <top> <width> <height> x1 y1 ... x5 y5`` in that frame
==============  =====================================================================================================
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.clips import resolve_inside
from ..errors import UserError
from ..faces.transforms import resize_matrix, transform_points

__all__ = ['FORMATS', 'LandmarkFile', 'LandmarkFolder', 'LandmarkList', 'ListedLandmarks', 'open_landmarks']

FORMATS = ('auto', 'vfhq', 'keep', 'pgtformer')
OPTION = '--landmarks'

_DIGITS = re.compile(r'(\d+)$')
_LIST_SEPARATOR = '||||'


def open_landmarks(path: str | Path, kind: str) -> 'LandmarkFolder | LandmarkList':
    """Open the landmarks of a dataset.

    Args:
        path (str | Path): A folder of text files, or a list file.
        kind (str): One of `FORMATS`. 'auto' detects the format.

    Raises:
        UserError: Nothing is there, or it has another format.
    """
    path = Path(path)
    if path.is_dir() and kind != 'pgtformer':
        return LandmarkFolder(path, kind)
    if path.is_file() and kind in ('auto', 'pgtformer'):
        return LandmarkList(path)
    expected = 'a list file' if kind == 'pgtformer' else 'a folder with a file <clip>.txt per clip'
    raise UserError(f'{OPTION}: {path} is not {expected}' if path.exists() else f'{OPTION}: there is no {path}')


class LandmarkFolder:
    """A folder with a text file per clip, in the format ``keep`` or ``vfhq``."""

    def __init__(self, root: Path, kind: str):
        self.root, self.kind = root, kind

    def of(self, clip: str) -> 'LandmarkFile':
        """Landmarks of the clip of this name, not read yet."""
        return LandmarkFile(resolve_inside(self.root, f'{clip}.txt', OPTION), self.kind)


class LandmarkList:
    """The published PGTFormer's list of all clips in one file, which is read once, into memory.

    Raises:
        UserError: The file cannot be read, or a line has another format.
    """

    def __init__(self, path: Path):
        self.path = path
        self._clips: dict[str, tuple[array[int], array[float]]] = {}
        try:
            with open(path) as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        self._add(number, line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f'{OPTION}: cannot read {path}: {error}') from error

    def of(self, clip: str) -> 'ListedLandmarks':
        """Landmarks of the clip of this name."""
        return ListedLandmarks(self.path.name, *self._clips.get(clip, (array('q'), array('f'))))

    def _add(self, number: int, line: str) -> None:
        key, separator, values = line.partition(_LIST_SEPARATOR)
        parts = [part for part in re.split(r'[/\\]', key) if part]
        points = _ten_numbers(re.split(r'[,\s]+', values.strip(', '))[:10])
        frame = _frame_number(parts[-1]) if parts else None
        if not separator or len(parts) < 2 or points is None or frame is None:
            raise UserError(
                f'{OPTION}: {self.path}, line {number}: expected <clip>/<frame>.png||||, and ten landmark values'
            )
        # A list has millions of frames: 48 bytes for each instead of an object.
        frames, coordinates = self._clips.setdefault(parts[-2], (array('q'), array('f')))
        frames.append(frame)
        coordinates.extend(points.ravel())


@dataclass(frozen=True)
class LandmarkFile:
    """A clip's landmarks in a text file."""

    path: Path
    kind: str

    def read(self, numbers: Sequence[int], size: tuple[int, int]) -> dict[int, np.ndarray]:
        """Read the landmarks.

        Args:
            numbers (list[int]): Numbers of all the clip's frames, for files that do not name frames.
            size (tuple[int, int]): Height and width of the frames in pixels, for files that state positions in the
                uncropped frame.

        Returns:
            dict[int, ndarray]: (5, 2) by frame number, in pixels of the clip's frames.

        Raises:
            ValueError: There is no such file, or a line of it has another format. The message says which.
        """
        try:
            lines = self.path.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f'its landmarks {self.path.name} cannot be read: {error}') from error
        kind = self.kind
        if kind == 'auto':
            kind = 'vfhq' if any(line.startswith('CROP') for line in lines) else 'keep'
        if kind == 'vfhq':
            return _vfhq_landmarks(self.path.name, lines, size)
        return _keep_landmarks(self.path.name, lines, numbers)


@dataclass(frozen=True)
class ListedLandmarks:
    """A clip's landmarks from a list."""

    file: str
    frames: 'array[int]'
    coordinates: 'array[float]'

    def read(self, numbers: Sequence[int], size: tuple[int, int]) -> dict[int, np.ndarray]:
        """Return the landmarks, see `LandmarkFile.read`."""
        if not self.frames:
            raise ValueError(f'it has no landmarks in {self.file}')
        return dict(zip(self.frames, np.array(self.coordinates, np.float64).reshape(-1, 5, 2)))


def _keep_landmarks(file: str, lines: Sequence[str], numbers: Sequence[int]) -> dict[int, np.ndarray]:
    rows = [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    named = [row for row in rows if len(row[1]) == 11]
    if not named and len(rows) != len(numbers):
        raise ValueError(f'its landmarks {file} name no frames, and are {len(rows)} for {len(numbers)} frames')
    landmarks = {}
    for frame, (number, values) in zip([None] * len(rows) if named else numbers, rows):
        if named:
            frame = _frame_number(values[0]) if len(values) == 11 else None
            values = values[1:]
        points = _ten_numbers(values)
        if points is None or frame is None:
            raise ValueError(f'its landmarks {file}, line {number}: expected `<frame> x1 y1 ... x5 y5`')
        landmarks[frame] = points
    return landmarks


def _vfhq_landmarks(file: str, lines: Sequence[str], size: tuple[int, int]) -> dict[int, np.ndarray]:
    crop, rows = None, {}
    for line in lines:
        values = line.split()
        if values and values[0].startswith('CROP'):
            crop = _numbers(values[-4:])
        elif len(values) == 16 and values[0].isdigit():
            points = _ten_numbers(values[6:])
            if points is not None:
                rows[int(values[0])] = points
    if crop is None or len(crop) != 4 or (crop[2:] <= crop[:2]).any():
        raise ValueError(f'its landmarks {file} have no line CROP left top right bottom')
    if not rows:
        raise ValueError(f'its landmarks {file} have no line of a frame with five landmarks')
    # Frames may have been resized after they were cropped.
    scale = np.array(size[::-1]) / (crop[2:] - crop[:2])
    return {number: transform_points(points - crop[:2], resize_matrix(*scale)) for number, points in rows.items()}


def _frame_number(name: str) -> int | None:
    """Number of a frame by its name, which may have a folder and a suffix; None if it has no number."""
    stem = re.split(r'[/\\]', name)[-1]
    found = _DIGITS.search(re.sub(r'\.\w+$', '', stem))
    return int(found[1]) if found else None


def _ten_numbers(values: Sequence[str]) -> np.ndarray | None:
    """Five landmarks (5, 2) of ten words; None if they are not ten numbers."""
    numbers = _numbers(values)
    return numbers.reshape(5, 2) if numbers is not None and len(numbers) == 10 else None


def _numbers(words: Iterable[str]) -> np.ndarray | None:
    try:
        return np.array(list(words), dtype=np.float64)
    except ValueError:
        return None
