"""Landmarks that come with a data set, in the formats that are about.

==============  =====================================================================================================
``keep``        a text file per clip, ``<clip>.txt``, lines ``<frame> x1 y1 ... x5 y5``, <frame> a name with or
                without folder and suffix; or ten numbers alone, the frames then being those of the clip in order
``pgtformer``   one list, lines ``<clip>/<frame>.png||||,`` and ten values of the landmarks, then six of a matrix
``vfhq``        VFHQ's meta data, ``<clip>.txt``: lines ``H``, ``W`` and ``CROP left top right bottom`` (the uncropped
                picture), then ``<frame> <index> <left> <top> <width> <height> x1 y1 ... x5 y5`` in that picture
==============  =====================================================================================================
"""

import re
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.clips import resolve_inside
from ..errors import UserError
from ..faces.alignment import resize_matrix, transform_points

__all__ = ['FORMATS', 'LandmarkFolder', 'LandmarkList', 'open_landmarks']

FORMATS = ('auto', 'vfhq', 'keep', 'pgtformer')
OPTION = '--landmarks'

_DIGITS = re.compile(r'(\d+)$')
_LIST_SEPARATOR = '||||'


def open_landmarks(path, kind):
    """Landmarks at ``path``.

    Args:
        path (str | Path): A folder of text files, or a list file.
        kind (str): One of `FORMATS`; 'auto' goes by the content.

    Returns:
        LandmarkFolder | LandmarkList

    Raises:
        UserError: There is nothing, or it is of another format.
    """
    path = Path(path)
    if path.is_dir() and kind != 'pgtformer':
        return LandmarkFolder(path, kind)
    if path.is_file() and kind in ('auto', 'pgtformer'):
        return LandmarkList(path)
    wanted = 'a list file' if kind == 'pgtformer' else 'a folder with a file <clip>.txt per clip'
    raise UserError(f'{OPTION}: {path} is not {wanted}' if path.exists() else f'{OPTION}: there is no {path}')


class LandmarkFolder:
    """A folder with a text file per clip, of the formats ``keep`` and ``vfhq``."""

    def __init__(self, root, kind):
        self.root, self.kind = Path(root), kind

    def of(self, clip):
        """Landmarks of the clip of this name, not yet read."""
        return LandmarkFile(resolve_inside(self.root, f'{clip}.txt', OPTION), self.kind)


class LandmarkList:
    """The published PGTFormer's list, of all clips in one file; it is read once, into memory.

    Raises:
        UserError: A line is something else.
    """

    def __init__(self, path):
        self.path = Path(path)
        self._clips = {}
        try:
            with open(path) as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        self._add(number, line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f'{OPTION}: cannot read {path}: {error}') from error

    def of(self, clip):
        """Landmarks of the clip of this name."""
        return ListedLandmarks(self.path.name, *self._clips.get(clip, ((), ())))

    def _add(self, number, line):
        key, separator, values = line.partition(_LIST_SEPARATOR)
        parts = [part for part in re.split(r'[/\\]', key) if part]
        points = _ten_numbers(re.split(r'[,\s]+', values.strip(', '))[:10])
        frame = _frame_number(parts[-1]) if parts else None
        if not separator or len(parts) < 2 or points is None or frame is None:
            raise UserError(
                f'{OPTION}: {self.path}, line {number}: expected <clip>/<frame>.png||||, and ten landmark values'
            )
        # Millions of frames: 48 bytes each and not an object.
        frames, coordinates = self._clips.setdefault(parts[-2], (array('q'), array('f')))
        frames.append(frame)
        coordinates.extend(points.ravel())


@dataclass(frozen=True)
class LandmarkFile:
    """A clip's landmarks in a text file."""

    path: Path
    kind: str

    def read(self, numbers, size):
        """Read them.

        Args:
            numbers (list[int]): Numbers of all the clip's frames; only for files that do not name frames.
            size (tuple): Height and width of the frames in pixels, for files that speak of another picture.

        Returns:
            dict: {frame number: (5, 2)} in pixels of the clip's frames.

        Raises:
            ValueError: There is no such file, or a line of it is something else; the message says which.
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
    """A clip's landmarks out of a list."""

    file: str
    frames: array
    coordinates: array

    def read(self, numbers, size):
        """As of `LandmarkFile`."""
        if not self.frames:
            raise ValueError(f'it has no landmarks in {self.file}')
        return dict(zip(self.frames, np.array(self.coordinates, np.float64).reshape(-1, 5, 2)))


def _keep_landmarks(file, lines, numbers):
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


def _vfhq_landmarks(file, lines, size):
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
    # Frames may have been resized after they were cut out.
    scale = np.array(size[::-1]) / (crop[2:] - crop[:2])
    return {number: transform_points(points - crop[:2], resize_matrix(*scale)) for number, points in rows.items()}


def _frame_number(name):
    """Number of a frame by its name, which may have a folder and a suffix; None if it has none."""
    stem = re.split(r'[/\\]', name)[-1]
    found = _DIGITS.search(re.sub(r'\.\w+$', '', stem))
    return int(found[1]) if found else None


def _ten_numbers(values):
    """Five landmarks (5, 2) of ten words, or None if they are something else."""
    numbers = _numbers(values)
    return numbers.reshape(5, 2) if numbers is not None and len(numbers) == 10 else None


def _numbers(words):
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        return None
