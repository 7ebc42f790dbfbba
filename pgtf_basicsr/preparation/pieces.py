"""Cutting a clip where frames are broken, missing or without a face."""

from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

__all__ = ['NO_FACE', 'Note', 'Piece', 'bounded', 'cut', 'frame_name', 'spans']

NO_FACE = 'no face found'
MOST_NOTES = 20


@dataclass(frozen=True)
class Note:
    """A line of the report: what was left out or changed, and why.

    Attributes:
        clip: Name of the clip.
        first, last: Numbers of its first and last frame concerned; None for the whole clip.
        reason: In a few words.
    """

    clip: str
    reason: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Piece:
    """Consecutive good frames of a clip.

    Attributes:
        name: Of the clip that it becomes.
        first: Number of its first frame.
        landmarks (ndarray): (frames, 5, 2) in pixels.
        interpolated: Number of frames whose landmarks are their neighbours'.
    """

    name: str
    first: int
    landmarks: np.ndarray
    interpolated: int = 0

    def __len__(self):
        return len(self.landmarks)

    @property
    def numbers(self):
        """Of its frames."""
        return range(self.first, self.first + len(self))


def cut(clip, landmarks, faults, min_length, max_gap, without=NO_FACE):
    """Cut a clip into pieces of good frames.

    Args:
        clip (str): Its name.  A piece that does not start with the clip's first frame gets ``+from<number>``.
        landmarks (dict): {frame number: landmarks (5, 2), or None where there are none}.
        faults (dict): {frame number: reason} of frames that cannot be used.
        min_length (int): Shorter pieces are left out.
        max_gap (int): Up to so many frames in a row without landmarks have them interpolated.
        without (str): Reason to report of frames without landmarks.

    Returns:
        tuple[list[Piece], list[Note]]
    """
    numbers = sorted({*landmarks, *faults})
    if not numbers:
        return [], [Note(clip, 'it has no frames')]
    reasons = {
        number: faults.get(number, without) for number in numbers if number in faults or landmarks.get(number) is None
    }
    filled = _fill_gaps(landmarks, reasons, [number for number in reasons if number not in faults], max_gap)
    notes = [Note(clip, 'missing', before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1]
    pieces = []
    # What is constant in a run: its distance from the count of frames, and why it is left out, if it is.
    runs = groupby(
        enumerate(numbers), key=lambda pair: (pair[1] - pair[0], None if pair[1] in filled else reasons[pair[1]])
    )
    for (_, reason), group in runs:
        run = [number for _, number in group]
        if reason:
            notes.append(Note(clip, reason, run[0], run[-1]))
            continue
        if len(run) < min_length:
            notes.append(Note(clip, f'only {len(run)} good frames in a row', run[0], run[-1]))
            continue
        added = [number for number in run if number in reasons]
        name = clip if run[0] == numbers[0] else f'{clip}+from{frame_name(run[0])}'
        pieces.append(Piece(name, run[0], np.stack([filled[number] for number in run]), len(added)))
        notes += [Note(clip, f'{without}; landmarks interpolated', first, last) for first, last in spans(added)]
    return pieces, sorted(notes, key=lambda note: note.first)


def bounded(notes):
    """Notes of one clip, as many as somebody may read."""
    left = notes[MOST_NOTES:]
    return notes[:MOST_NOTES] + ([Note(left[0].clip, f'and {len(left)} more')] if left else [])


def frame_name(number):
    """Name of a frame of this number, without suffix."""
    return f'{number:08d}'


def spans(numbers):
    """First and last of each run of consecutive numbers."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    return [(run[0][1], run[-1][1]) for run in (list(group) for _, group in runs)]


def _fill_gaps(landmarks, reasons, without, max_gap):
    """Landmarks of good frames, and those of short gaps interpolated between the frames around them."""
    good = {number: points for number, points in landmarks.items() if number not in reasons}
    filled = dict(good)
    for first, last in spans(without):
        before, after = good.get(first - 1), good.get(last + 1)
        if last - first < max_gap and before is not None and after is not None:
            for number in range(first, last + 1):
                share = (number - first + 1) / (last - first + 2)
                filled[number] = (1 - share) * before + share * after
    return filled
