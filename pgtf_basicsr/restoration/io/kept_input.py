"""Input that can be read once only, kept to be read twice."""

import math
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from ...errors import UserError
from .sources import PIPE, STANDARD_INPUT, check_array

__all__ = ['is_pipe', 'kept_frames', 'kept_video']


def is_pipe(source: str | Path) -> bool:
    """Whether a video comes through a pipe."""
    return Path(STANDARD_INPUT if str(source) == PIPE else source).is_fifo()


@contextmanager
def kept_video(source: str | Path, warn: Callable[[str], object]) -> Iterator[str | Path]:
    """Provide a video that can be read twice: the source itself, or a temporary copy of what comes through a pipe.

    Args:
        source (str | Path): As of `sources.open_source`.
        warn (Callable): Takes a line that says what is done.

    Raises:
        UserError: The copy cannot be written.
    """
    if not is_pipe(source):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix='basicsr-') as folder:
        warn(f'what comes through a pipe is kept in {folder} to be read twice; --faces crop reads it once')
        kept = Path(folder) / 'standard input'
        is_standard = str(source) == PIPE
        try:
            with open(0 if is_standard else source, 'rb', closefd=not is_standard) as read, open(kept, 'wb') as written:
                shutil.copyfileobj(read, written)
        except OSError as error:
            raise UserError(
                f'cannot keep {source} in {folder}: {error.strerror}; TMPDIR names another place'
            ) from error
        yield kept


@contextmanager
def kept_frames(frames: Iterable[np.ndarray]) -> Iterator[Iterable[np.ndarray]]:
    """Provide frames that can be gone through twice: as they are, or in a temporary file.

    Args:
        frames (Iterable[ndarray]): (H, W, 3) uint8, all of one size.

    Raises:
        ValueError: One of those that are kept is of another size or type.
    """
    if iter(frames) is not frames:
        yield frames
        return
    with tempfile.TemporaryFile() as file:
        yield _FramesOfFile(frames, file)


class _FramesOfFile:
    """Frames that were written to a file, to be iterated over again and again."""

    def __init__(self, frames: Iterable[np.ndarray], file: IO[bytes]):
        self._file, self._shape = file, (0, 0, 3)
        for number, frame in enumerate(frames):
            if not number:
                height, width = frame.shape[:2]
                self._shape = height, width, 3
            # The file holds bytes alone: whoever reads it cannot notice another type or size.
            check_array(frame, number, height, width)
            file.write(np.ascontiguousarray(frame).data)

    def __iter__(self) -> Iterator[np.ndarray]:
        self._file.seek(0)
        while data := self._file.read(math.prod(self._shape)):
            yield np.frombuffer(data, np.uint8).reshape(self._shape)
