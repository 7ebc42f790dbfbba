"""What a data set reads of one clip, held against what is known of it."""
import numpy as np

from ..errors import DataError
from .clips import read_landmarks

__all__ = ['ClipFiles']


class ClipFiles:
    """The frames of a clip, those degraded before, and its landmarks.

    Args:
        clip (Clip): What is known of it.
        stored: The clip in its storage, see `storage`.
        degraded: The same degraded, in its storage; None where the frames themselves are degraded or none are.
        landmark_file (str | Path | None): The file of its landmarks, if the data set has landmarks.

    Raises:
        DataError: Here or when something is read: it is missing or broken.
    """

    def __init__(self, clip, stored, degraded, landmark_file):
        self.clip, self.stored, self.degraded, self.landmark_file = clip, stored, degraded or stored, landmark_file
        self.name, self.names = clip.name, stored.names[:clip.num_frames]
        if len(self.names) < clip.num_frames:
            raise DataError(f'{stored.where} has {len(self.names)} frames; {clip.num_frames} are listed: frame '
                            f'{self._first_missing()} is missing')
        self._landmarks = {}

    def frames_at(self, places):
        """Names of the frames at some places; numbered ones must be as far apart as their numbers say."""
        names = tuple(self.names[place] for place in places)
        low, high = min(places), max(places)
        if (self.names[low] + self.names[high]).isdecimal():
            if int(self.names[high]) - int(self.names[low]) != high - low:
                raise DataError(f'{self.stored.where} has a gap: frame {self._first_missing()} is missing')
        return names

    def read(self, names):
        """Frames (H, W, 3) uint8 RGB, all of one size."""
        frames = self._read(self.stored, names)
        height, width = self.clip.height or frames[0].shape[0], self.clip.width or frames[0].shape[1]
        for name, frame in zip(names, frames):
            if frame.shape[:2] != (height, width):
                raise DataError(f'frame {self.stored.locate(name)} is {frame.shape[1]}x{frame.shape[0]}; its clip is '
                                f'{width}x{height}')
        return frames

    def read_degraded(self, names):
        """The same frames degraded, of any size."""
        return self._read(self.degraded, names)

    def landmarks(self, names):
        """Landmarks (T, 5, 2) of these frames; None where the data set has none."""
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
        known = set(stored.names)
        for name in names:
            if name not in known:
                raise DataError(f'{stored.where} has no frame {name}')
        unique = list(dict.fromkeys(names))
        frames = dict(zip(unique, stored.read(unique)))
        return [frames[name] for name in names]

    def _first_missing(self):
        """Name of the first frame that is not there."""
        numbers = [int(name) for name in self.stored.names if name.isdecimal()]
        first = self.clip.first if self.clip.first is not None else min(numbers, default=0)
        return f'{min(set(range(first, first + len(numbers) + 1)) - set(numbers)):08d}'
