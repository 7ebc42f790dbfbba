"""Restored frames with the video's own beside them, to compare."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial

from ...video.frame import Frame, PlanarFrame
from ...video.planes import side_by_side
from ..faces.backgrounds import PlainBackground
from .mode import Deferred, Mode

__all__ = ['SideBySide']


class SideBySide:
    """A mode whose frames show the video's own to the left of the restored ones, see `mode.Mode`.

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
