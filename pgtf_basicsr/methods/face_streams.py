"""Restoration of the faces of a stream of frames: each face is a stream of crops of its own."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .face_places import LONGEST_GAP
from .method import Method

__all__ = ['CropsOfFrame', 'restore_faces']


@dataclass(frozen=True)
class CropsOfFrame:
    """A frame and the crops of its faces.

    Attributes:
        frame (Tensor): (3, H, W) float RGB in [0, 1].
        matrices (Mapping[int, ndarray]): (2, 3) transforms from the frame to its crops, by the number of the face.
        crops (Mapping[int, Tensor]): (3, size, size) float RGB in [0, 1].
    """

    frame: Tensor
    matrices: Mapping[int, np.ndarray]
    crops: Mapping[int, Tensor]


def restore_faces(method: Method, frames: Iterable[CropsOfFrame]) -> Iterator[CropsOfFrame]:
    """Restore the crops of frames, those of a face in one stream, as a method of windows or whole clips needs them.

    Frames are read as far ahead as the method asks for crops.

    Args:
        method (Method): The method.
        frames (Iterable[CropsOfFrame]): Frames and crops. A face that was missing for more than `LONGEST_GAP` frames
            has another number when it comes back.

    Yields:
        CropsOfFrame: The frames with their crops restored.

    Raises:
        ValueError: The method yields fewer frames than it gets.
    """
    streams = _Streams(frames)
    outputs: dict[int, Iterator[Tensor]] = {}
    for number, frame in enumerate(streams.frames()):
        restored = {}
        for face in frame.crops:
            if face not in outputs:
                outputs[face] = iter(method.restore(streams.crops(face)))
            image = next(outputs[face], None)
            if image is None:
                raise ValueError(f'{method.title} yields fewer frames than it gets')
            restored[face] = image
        yield CropsOfFrame(frame.frame, frame.matrices, restored)
        for face in [face for face in outputs if streams.has_ended(face, number)]:
            del outputs[face]
            streams.forget(face)


class _Streams:
    """Hands out frames and, apart from them, the crops of each face. Whoever needs one that was not read, reads on."""

    def __init__(self, source: Iterable[CropsOfFrame]):
        self._source = iter(source)
        self._read = 0
        self._waiting: deque[CropsOfFrame] = deque()
        self._crops: dict[int, deque[Tensor]] = {}
        self._last: dict[int, int] = {}

    def frames(self) -> Iterator[CropsOfFrame]:
        while self._waiting or self._read_on():
            yield self._waiting.popleft()

    def crops(self, face: int) -> Iterator[Tensor]:
        crops = self._crops[face]
        while crops or (not self.has_ended(face, self._read - 1) and self._read_on()):
            if crops:
                yield crops.popleft()

    def has_ended(self, face: int, number: int) -> bool:
        """Whether a face has been missing for too long at the frame of this number to come back."""
        return number - self._last[face] > LONGEST_GAP

    def forget(self, face: int) -> None:
        del self._crops[face], self._last[face]

    def _read_on(self) -> bool:
        """Read a frame; False if there is none."""
        frame = next(self._source, None)
        if frame is None:
            return False
        for face, crop in frame.crops.items():
            self._crops.setdefault(face, deque()).append(crop)
            self._last[face] = self._read
        self._waiting.append(frame)
        self._read += 1
        return True
