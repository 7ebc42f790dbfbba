"""What restores the frames of a video, whichever way."""

from collections.abc import Callable, Generator, Iterable
from typing import Protocol, TypeAlias

from ...video.frame import Frame, PlanarFrame

__all__ = ['Deferred', 'Mode']

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
