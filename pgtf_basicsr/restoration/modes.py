"""How frames are restored: as a whole, where the video is cropped to a face, or face by face."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias

from ..video.frame import Frame, PlanarFrame

__all__ = ['BUFFERED', 'Deferred', 'Mode']

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

    def restore(self, frames: Iterable[Frame], first: int) -> Iterator[Deferred]:
        """Restore frames, of which a thread reads some ahead until the iterator ends or is closed.

        Args:
            frames (Iterable[Frame]): The frames of the video from a number on.
            first (int): That number.

        Yields:
            Deferred: One for each frame, in order.
        """

    def faces_in(self, frame: int) -> int | None:
        """Number of faces in view in a frame; None where none are looked for."""
