"""Sampling of clips and windows: which clip and which frames a training item takes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import require
from .clips import Clip
from .remote import read_text

__all__ = ['ClipTable', 'ClipWeights', 'WindowRanges', 'read_clip_weights']

# Takes the place of the index of an item, which is smaller, in the generator of an epoch.
_OF_THE_EPOCH = 2**32


class ClipTable(Sequence[Clip]):
    """Clips in a few arrays.

    A list of objects would be copied, page by page, into every loader process that counts references to them.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._names = np.array([os.fsencode(clip.name) for clip in clips], dtype=np.bytes_)
        self._numbers = np.array(
            [
                [clip.num_frames, *(-1 if value is None else value for value in (clip.height, clip.width, clip.first))]
                for clip in clips
            ],
            dtype=np.int32,
        ).reshape(-1, 4)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Clip:  # type: ignore[override]
        num_frames, *rest = self._numbers[index].tolist()
        return Clip(os.fsdecode(self._names[index]), num_frames, *(None if value < 0 else value for value in rest))

    @property
    def num_frames(self) -> np.ndarray:
        """Frames of each clip, (N,) int32."""
        return self._numbers[:, 0]


class ClipWeights:
    """Share of the items of an epoch that each clip gets, in proportion to its weight.

    With n items, a clip of weight w out of W in total gets n w / W of them, rounded up or down; which, is drawn for
    each epoch (systematic sampling).

    Args:
        weights (Sequence[float]): Weight of each clip, 0 or more.
        num_items (int): Number of items of an epoch.
    """

    def __init__(self, weights: Sequence[float] | np.ndarray, num_items: int) -> None:
        self._ends = np.cumsum(np.asarray(weights, dtype=np.float64))
        self._last = int(np.searchsorted(self._ends, self._ends[-1]))
        self._num_items = num_items

    def clip_of(self, item: int, seed: int, epoch: int) -> int:
        """Return the index of the clip of an item."""
        start = np.random.default_rng((seed, epoch, _OF_THE_EPOCH)).random()
        place = (item + start) / self._num_items * self._ends[-1]
        return min(int(np.searchsorted(self._ends, place, side='right')), self._last)


@dataclass(frozen=True)
class WindowRanges:
    """What windows are drawn from.

    Attributes:
        num_frame (int): Frames of a window.
        intervals (tuple[int]): Steps between its frames, one of which is drawn; those too long for a clip are skipped.
        random_reverse (bool): Play half of the windows backwards.
        beyond_ends (bool): Let windows reach over both ends of their clip, as far as their centre stays inside. The
            first or last frame is then repeated, as in restoration of the first and last frames of a video.
    """

    num_frame: int
    intervals: tuple[int, ...] = (1,)
    random_reverse: bool = False
    beyond_ends: bool = False

    @property
    def shortest_clip(self) -> int:
        """Number of frames that a clip needs."""
        return 1 if self.beyond_ends else (self.num_frame - 1) * min(self.intervals) + 1

    def draw(self, num_frames: int, rng: np.random.Generator) -> list[int]:
        """Draw the places of a window's frames in a clip of ``num_frames`` from the generator ``rng``."""
        spans = {interval: (self.num_frame - 1) * interval + 1 for interval in self.intervals}
        if not self.beyond_ends:
            spans = {interval: span for interval, span in spans.items() if span <= num_frames}
        interval = list(spans)[rng.integers(len(spans))] if len(spans) > 1 else next(iter(spans))
        if self.beyond_ends:
            first = int(rng.integers(num_frames)) - self.num_frame // 2 * interval
        else:
            first = int(rng.integers(num_frames - spans[interval] + 1))
        places = np.arange(self.num_frame) * interval + first
        if self.random_reverse and rng.random() < 0.5:
            places = places[::-1]
        return np.clip(places, 0, num_frames - 1).tolist()


def read_clip_weights(path: str, clips: Sequence[Clip]) -> np.ndarray:
    """Read the weights of clips from a file with lines `<clip> <weight>`; a clip without a line has weight 1.

    Raises:
        UserError: A line is something else, or no clip has a weight above 0.
    """
    weights: dict[str, float] = {}
    for number, line in enumerate(read_text(path, 'clip_weights').splitlines(), 1):
        if not line.strip():
            continue
        name, _, value = line.strip().rpartition(' ')
        try:
            weights[name] = float(value)
        except ValueError:
            weights[name] = -1
        require(
            0 <= weights[name] < np.inf,
            f'{path}, line {number}: {line!r} should be `<clip> <weight>`, a weight of 0 or more',
        )
    found = np.array([weights.get(clip.name, 1.0) for clip in clips])
    require(found.sum() > 0, f'{path}: gives no clip of the dataset a weight above 0')
    return found
