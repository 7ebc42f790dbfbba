"""Unfinished restorations: what is done is kept in a hidden folder beside the output, until it is whole.

    .out.mp4.restoring/
      job.json             what is restored, how, and with which versions
      lock                 held by the process that works on it
      segments/            finished segments, 00000000.nut and so on, of so many frames each
      frames/              frames of the next segment, where restoring them takes long

All is flushed to disk before it gets its name, so a kill or a power cut costs a minute's work at most.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import count, takewhile
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import DataError, UserError
from ..files import is_hidden, make_folder, path_beside, remove_partial_files, replacing

__all__ = ['Job', 'file_digest', 'file_identity', 'is_of_broken_data']

DESCRIPTION, LOCK, SEGMENTS, FRAMES = 'job.json', 'lock', 'segments', 'frames'
# Frames of a segment of a video file.
SEGMENT_FRAMES = 100
# Bytes of the beginning of a file that tell it from others of its size and time.
HEAD_BYTES = 2**20


class Job:
    """The restoration of one video, which only one process at a time works on; to use inside ``with``.

    When the block ends without an error, the folder is removed. When it raises, finished segments are kept, unless
    there is none or the input is broken, see `is_of_broken_data`.

    Args:
        target (Path): What messages call the file or folder to write.
        suffix (str): Suffix of the segments.
        segment_frames (int): Frames of a segment. Each begins with a key frame, which costs a few percent of the
            output's size at this length; longer ones would cost more work when a process is killed.
        description (Mapping): Everything that the result depends on, in types of JSON.
        resume (bool): Whether finished segments of an earlier run are used.
        place (Path, optional): The file or folder to write, where `target` is a link to it.

    Attributes:
        segment_frames (int): Frames of a segment.
        folder (Path): Where all is kept.
        segments (list[Path]): Finished segments, in order.
        frames (list[Path]): Frames after them that are kept, in order. Who keeps one appends it.

    Raises:
        UserError: In the ``with`` statement. Another process works on it; there are segments of an earlier run and
            `resume` is false; or they were made with another description.
    """

    def __init__(
        self,
        target: Path,
        suffix: str,
        description: Mapping[str, Any],
        resume: bool,
        segment_frames: int = SEGMENT_FRAMES,
        place: Path | None = None,
    ):
        self.folder = job_folder(target if place is None else place)
        self.segment_frames, self.segments, self.frames = segment_frames, list[Path](), list[Path]()
        self._target, self._suffix, self._resume = target, suffix, resume
        # As it is read back.
        self._description = json.loads(json.dumps({**description, 'frames of a segment': segment_frames}))

    def __enter__(self) -> 'Job':
        with ExitStack() as stack:
            for name in (SEGMENTS, FRAMES):
                make_folder(self.folder / name)
            self._lock(stack)
            stack.callback(self._remove_unless_begun)
            self.segments = list(takewhile(Path.exists, map(self.segment, count())))
            self.frames = list(takewhile(Path.exists, map(self.frame, count(self.num_frames))))
            if self.num_frames:
                self._check_earlier_run()
            remove_partial_files(self.folder)
            for name in (SEGMENTS, FRAMES):
                for other in set((self.folder / name).iterdir()).difference(self.segments, self.frames):
                    other.unlink()
            try:
                with replacing(self.folder / DESCRIPTION) as file:
                    file.write_text(json.dumps(self._description, indent=2) + '\n')
            except OSError as error:
                raise UserError(f'cannot write {self._target}: {error.strerror}') from error
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or is_of_broken_data(error):
            self.segments, self.frames = [], []
        self._resources.close()

    @property
    def kept(self) -> str:
        """What is kept, for messages."""
        return f'{self.num_frames} restored frames are kept in {self.folder}'

    @property
    def num_frames(self) -> int:
        """How many frames are kept; more than there are where the last segment is a shorter one."""
        return len(self.segments) * self.segment_frames + len(self.frames)

    def segment(self, index: int) -> Path:
        """Path of a segment, whether it is finished or not."""
        return self.folder / SEGMENTS / f'{index:08d}{self._suffix}'

    def frame(self, number: int) -> Path:
        """Path of a frame, whether it is kept or not."""
        return self.folder / FRAMES / f'{number:08d}.planes.npz'

    def finish_segment(self, path: Path) -> None:
        """Note that the next segment is finished; its frames are no longer needed."""
        self.segments.append(path)
        for frame in self.frames:
            frame.unlink()
        self.frames = []

    def _check_earlier_run(self) -> None:
        if not self._resume:
            raise UserError(
                f'{self._target} is not finished: {self.kept}; add --resume to continue it, or remove that folder '
                'to begin again'
            )
        try:
            before = json.loads((self.folder / DESCRIPTION).read_text())
        except (OSError, ValueError) as error:
            raise UserError(f'{self.folder / DESCRIPTION} cannot be read: {error}; remove {self.folder}') from error
        names = [name for name in {**before, **self._description} if before.get(name) != self._description.get(name)]
        if names:
            differences = ', '.join(
                f'{name} was {before.get(name)} and is now {self._description.get(name)}' for name in names
            )
            raise UserError(
                f'{self._target} cannot be resumed: {differences}; use what it was begun with, or remove {self.folder} '
                'to begin again'
            )

    def _lock(self, stack: ExitStack) -> None:
        try:
            file = stack.enter_context((self.folder / LOCK).open('w'))
        except OSError as error:
            raise UserError(f'cannot write to {self.folder}: {error.strerror}') from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f'another process is restoring {self._target}; wait for it to end') from error
        except OSError:
            pass  # a file system without locks

    def _remove_unless_begun(self) -> None:
        if not self.num_frames:
            shutil.rmtree(self.folder, ignore_errors=True)


def is_of_broken_data(error: BaseException) -> bool:
    """Whether an error is that of a broken input, at which the same command would fail again."""
    # A disk or a server that cannot be read now, and a file that was moved away, may be there again.
    return isinstance(error, DataError) and not isinstance(error.__cause__, OSError)


def job_folder(target: Path) -> Path:
    """Where the job of a target keeps what is finished."""
    return path_beside(target, '.', '.restoring')


def file_identity(path: Path) -> dict[str, Any]:
    """Tell a file, or a folder of files, from others without reading all of it.

    Args:
        path (Path): A file, which is told by its size, time of change, and a digest of its head; or a folder, which is
            told by the names, sizes and times of its files. A pipe cannot be told.
    """
    if path.is_fifo():
        return {}
    if path.is_dir():
        files = [(entry.name, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in os.scandir(path)]
        visible = sorted(file for file in files if not is_hidden(file[0]))
        return {'files': len(visible), 'list': hashlib.sha256(json.dumps(visible).encode()).hexdigest()}
    status = os.stat(path)
    with open(path, 'rb') as file:
        head = hashlib.sha256(file.read(HEAD_BYTES)).hexdigest()
    return {'size': status.st_size, 'changed': status.st_mtime_ns, 'head': head}


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(HEAD_BYTES):
            digest.update(block)
    return digest.hexdigest()
