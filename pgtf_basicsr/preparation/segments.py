"""Segments of a clip: it is cut where frames are broken, missing or without a face."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from ..data.clips import frame_name
from .report import Note

__all__ = ['NO_FACE', 'Segment', 'cut_clip']

NO_FACE = 'no face found'


@dataclass(frozen=True)
class Segment:
    """Consecutive good frames of a clip.

    Attributes:
        name (str): Name of the clip that it becomes.
        first (int): Number of its first frame.
        landmarks (ndarray): (frames, 5, 2) in pixels.
        interpolated (int): Number of frames whose landmarks are interpolated.
    """

    name: str
    first: int
    landmarks: np.ndarray
    interpolated: int = 0

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def numbers(self) -> range:
        """Numbers of its frames."""
        return range(self.first, self.first + len(self))


def cut_clip(
    clip: str,
    landmarks: Mapping[int, np.ndarray | None],
    faults: Mapping[int, str],
    min_length: int,
    max_gap: int,
    without: str = NO_FACE,
) -> tuple[list[Segment], list[Note]]:
    """Cut a clip into segments of good frames.

    Args:
        clip (str): Its name. A segment that does not start with the clip's first frame gets ``+from<number>``.
        landmarks (dict): Landmarks (5, 2) by frame number; None for a frame without landmarks.
        faults (dict): Reasons by frame number, of frames that cannot be used.
        min_length (int): Shorter segments are skipped.
        max_gap (int): Landmarks are interpolated over up to this many frames in a row without any.
        without (str): Reason to report of frames without landmarks.

    Returns:
        tuple[list[Segment], list[Note]]: The segments, and notes on what was skipped or interpolated.
    """
    numbers = sorted({*landmarks, *faults})
    if not numbers:
        return [], [Note(clip, 'it has no frames')]
    reasons = {
        number: faults.get(number, without) for number in numbers if number in faults or landmarks.get(number) is None
    }
    filled = _fill_gaps(landmarks, reasons, [number for number in reasons if number not in faults], max_gap)
    notes = [Note(clip, 'missing', before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1]
    segments = []
    # What is constant in a run: its distance from the count of frames, and why it is skipped, if it is.
    runs = groupby(
        enumerate(numbers), key=lambda pair: (pair[1] - pair[0], None if pair[1] in filled else reasons[pair[1]])
    )
    for (_, reason), group in runs:
        run = [number for _, number in group]
        if not reason and len(run) < min_length:
            reason = f'only {len(run)} good frames in a row'
        if reason:
            notes.append(Note(clip, reason, run[0], run[-1]))
            continue
        added = [number for number in run if number in reasons]
        name = clip if run[0] == numbers[0] else f'{clip}+from{frame_name(run[0])}'
        segments.append(Segment(name, run[0], np.stack([filled[number] for number in run]), len(added)))
        notes += [Note(clip, f'{without}; landmarks interpolated', first, last) for first, last in _spans(added)]
    return segments, sorted(notes, key=lambda note: note.first or 0)


def _spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return [(run[0][1], run[-1][1]) for run in (list(group) for _, group in runs)]


def _fill_gaps(
    landmarks: Mapping[int, np.ndarray | None], reasons: Mapping[int, str], without: Iterable[int], max_gap: int
) -> dict[int, np.ndarray]:
    """Landmarks of good frames, and those of short gaps interpolated between the frames around them."""
    good = {number: points for number, points in landmarks.items() if points is not None and number not in reasons}
    filled = dict(good)
    for first, last in _spans(without):
        before, after = good.get(first - 1), good.get(last + 1)
        if last - first < max_gap and before is not None and after is not None:
            for number in range(first, last + 1):
                share = (number - first + 1) / (last - first + 2)
                filled[number] = (1 - share) * before + share * after
    return filled
