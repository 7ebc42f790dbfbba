"""How frames are restored: as a whole, where the video is cropped to a face, or face by face."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Protocol, TypeAlias

from ..video.frame import Frame, PlanarFrame
from ..video.planes import side_by_side
from .backgrounds import PlainBackground

__all__ = ['BUFFERED', 'Deferred', 'Mode', 'SideBySide']

# Frames read ahead and frames to be written, at least: decoders and encoders take several at a time.
BUFFERED = 4

# Makes a frame to write, in the thread that writes it.
Deferred: TypeAlias = Callable[[], PlanarFrame]


class Mode(Protocol):
    """Restores frames of a video.

    Attributes:
        buffered (int): Frames that wait to be written, at most.
    """

    buffered: int

    def first_frame_for(self, frame: int) -> int:
        """Find the frame at which to begin for the same results from another frame on."""

    def restore(self, frames: Iterable[Frame], first: int) -> Generator[Deferred, None, None]:
        """Restore frames, of which a thread reads some ahead until the iterator ends or is closed.

        Args:
            frames (Iterable[Frame]): The frames of number `first_frame_for` and on.
            first (int): Number of the first frame that is needed.

        Yields:
            Deferred: The frames of number `first` and on, in order.
        """

    def faces_in(self, frame: int) -> int | None:
        """Number of faces in view in a frame; None where none are looked for."""


class SideBySide:
    """A mode whose frames show the video's own to the left of the restored ones, see `Mode`.

    Args:
        mode (Mode): Restores frames.
        scale (int): Their width and height in those of the video.
    """

    def __init__(self, mode: Mode, scale: int):
        self._mode, self._plain = mode, PlainBackground(scale)
        self.buffered = mode.buffered

    def first_frame_for(self, frame: int) -> int:
        return self._mode.first_frame_for(frame)

    def faces_in(self, frame: int) -> int | None:
        return self._mode.faces_in(frame)

    def restore(self, frames: Iterable[Frame], first: int) -> Generator[Deferred, None, None]:
        originals: deque[Frame] = deque()

        def noted() -> Iterator[Frame]:
            for number, frame in enumerate(frames, self.first_frame_for(first)):
                if number >= first:
                    originals.append(frame)
                yield frame

        with closing(self._mode.restore(noted(), first)) as restored:
            for make in restored:
                yield partial(self._beside, originals.popleft(), make)

    def _beside(self, original: Frame, make: Deferred) -> PlanarFrame:
        restored = make()
        before = self._plain.prepare(original, restored.planes.format)
        return restored._replace(planes=side_by_side(before, restored.planes))
