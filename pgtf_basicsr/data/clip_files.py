"""Files of one clip, checked against what is known of it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .clips import Clip, read_landmarks

__all__ = ['ClipFiles']


class ClipFiles:
    """The frames of a clip, those degraded before, and its landmarks.

    Args:
        clip (Clip): What is known of the clip.
        stored: The clip in its storage, see `storage`.
        degraded: The degraded clip in its storage; None where there is only one kind of frames.
        landmark_file (str | Path | None): File of its landmarks, if the dataset has landmarks.

    Raises:
        DataError: Here or when something is read: a file is missing or broken.
    """

    def __init__(self, clip: Clip, stored: Any, degraded: Any | None, landmark_file: str | Path | None) -> None:
        self.clip, self.stored, self.degraded, self.landmark_file = clip, stored, degraded, landmark_file
        self.name, self.names = clip.name, stored.names[: clip.num_frames]
        if len(self.names) < clip.num_frames:
            raise DataError(
                f'{stored.where} has {len(self.names)} frames; {clip.num_frames} are listed: frame '
                f'{self._first_missing()} is missing'
            )
        self._landmarks: dict[str, np.ndarray] = {}

    def frames_at(self, places: Sequence[int]) -> tuple[str, ...]:
        """Return the names of the frames at some places; numbered ones must be as far apart as their numbers say."""
        names = tuple(self.names[place] for place in places)
        low, high = min(places), max(places)
        if (self.names[low] + self.names[high]).isdecimal():
            if int(self.names[high]) - int(self.names[low]) != high - low:
                raise DataError(f'{self.stored.where} has a gap: frame {self._first_missing()} is missing')
        return names

    def check_frames(self, names: Sequence[str], whole: bool) -> None:
        """Make sure that frames are there, wherever they can be listed.

        Args:
            names (Sequence[str]): Names of the frames that are to be read.
            whole (bool): Whether they are the whole clip, so that other frames would have no counterpart.

        Raises:
            DataError: Frames are missing, or there are others.
        """
        for source in filter(None, (self.stored, self.degraded)):
            found = source.list_frames()
            if found is None:
                continue
            missing, others = set(names).difference(found), set(found).difference(names) if whole else set()
            if missing or others:
                raise DataError(
                    f'clip {self.name} has {len(found)} frames in {source.where}; it should have {len(names)}, '
                    f'{names[0]} to {names[-1]}{"" if source is self.stored else f" as in {self.stored.where}"}: '
                    + (f'frame {min(missing)} is missing' if missing else f'frame {min(others)} is not one of them')
                )

    def read(self, names: Sequence[str]) -> list[np.ndarray]:
        """Read frames (H, W, 3) uint8 RGB, all of one size."""
        return list(self._of_one_size(names, self._read(self.stored, names)))

    def iterate(self, names: Sequence[str]) -> Iterator[np.ndarray]:
        """Read frames one after another, for names in the order of the clip."""
        return self._of_one_size(names, self._iterate(self.stored, names))

    def read_degraded(self, names: Sequence[str]) -> list[np.ndarray] | None:
        """Read the degraded frames, of any size; None where there is only one kind of frames."""
        return self._read(self.degraded, names) if self.degraded else None

    def iterate_degraded(self, names: Sequence[str]) -> Iterator[np.ndarray] | None:
        """Read the degraded frames one after another, for names in the order of the clip."""
        return self._iterate(self.degraded, names) if self.degraded else None

    def landmarks(self, names: Iterable[str]) -> np.ndarray | None:
        """Read the landmarks (T, 5, 2) of frames; None where the dataset has none."""
        if self.landmark_file is None:
            return None
        new = set(names) - set(self._landmarks)
        if new:
            self._landmarks |= read_landmarks(self.landmark_file, new)
        for name in names:
            if name not in self._landmarks:
                raise DataError(f'{self.landmark_file} has no line for frame {name}')
        return np.stack([self._landmarks[name] for name in names])

    def _read(self, stored, names):
        self._require_known(stored, names)
        unique = list(dict.fromkeys(names))
        frames = dict(zip(unique, stored.read(unique)))
        return [frames[name] for name in names]

    def _iterate(self, stored, names):
        self._require_known(stored, names)
        return stored.iterate(names)

    def _require_known(self, stored, names):
        known = set(stored.names)
        for name in names:
            if name not in known:
                raise DataError(f'{stored.where} has no frame {name}')

    def _of_one_size(self, names, frames):
        height, width = self.clip.height, self.clip.width
        for name, frame in zip(names, frames):
            height, width = height or frame.shape[0], width or frame.shape[1]
            if frame.shape[:2] != (height, width):
                raise DataError(
                    f'frame {self.stored.locate(name)} is {frame.shape[1]}x{frame.shape[0]}; its clip is '
                    f'{width}x{height}'
                )
            yield frame

    def _first_missing(self):
        """Return the name of the first frame that is not there."""
        numbers = [int(name) for name in self.stored.names if name.isdecimal()]
        first = self.clip.first if self.clip.first is not None else min(numbers, default=0)
        return f'{min(set(range(first, first + len(numbers) + 1)) - set(numbers)):08d}'
