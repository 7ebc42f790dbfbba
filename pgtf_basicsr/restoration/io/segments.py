"""Restored frames in segments, and where restoration has to begin again for the next one."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av
import numpy as np

from ...errors import DataError, UserError
from ...files import replacing
from ...video.formats import VideoFormat
from ...video.frame import PlanarFrame
from ...video.opening import open_video
from ...video.planes import Planes
from ..jobs import Job

__all__ = ['FrameWriter', 'SegmentedWriter', 'count_finished', 'first_frame_for', 'naming']


# Seconds of work that a kill may cost. Where a segment takes longer, its frames are kept one by one.
SECONDS_AT_RISK = 50


class FrameWriter(Protocol):
    """What takes frames one after the other."""

    def write(self, frame: PlanarFrame) -> None:
        """Append a frame."""


class SegmentedWriter:
    """Frames written as the next segments of a job, inside ``with``.

    Args:
        job (Job): Gets each segment when it is finished.
        target (Path): What messages call the output.
        open_segment (Callable): Makes the writer of a segment, a context manager, from its path.
        format (VideoFormat): The format of the frames.
    """

    def __init__(
        self,
        job: Job,
        target: Path,
        open_segment: Callable[[Path], AbstractContextManager[FrameWriter]],
        format: VideoFormat,
    ):
        self._job, self._target, self._open_segment, self._format = job, target, open_segment, format
        self._count, self._began = 0, time.monotonic()

    def __enter__(self) -> 'SegmentedWriter':
        try:
            for path in self._job.frames:
                self._append(_load_frame(path, self._format))
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._count:
            with naming(self._target):
                self._resources.__exit__(exc_type, error, traceback)
            if exc_type is None:
                self._job.finish_segment(self._path)

    def write(self, frame: PlanarFrame) -> None:
        """Append a frame.

        Raises:
            UserError: It cannot be written, for example because the disk is full.
        """
        with naming(self._target):
            if self._is_slow() and len(self._job.frames) == self._count:
                path = self._job.frame(self._job.num_frames)
                with replacing(path) as partial:
                    _save_frame(partial, frame)
                self._job.frames.append(path)
            self._append(frame)

    def _is_slow(self) -> bool:
        """Whether a whole segment would take longer than what a kill may cost."""
        return (time.monotonic() - self._began) / (self._count + 1) > SECONDS_AT_RISK / self._job.segment_frames

    def _append(self, frame: PlanarFrame) -> None:
        if not self._count:
            self._begin()
        self._writer.write(frame)
        self._count += 1
        if self._count == self._job.segment_frames:
            self._count, self._began = 0, time.monotonic()
            self._resources.close()
            self._job.finish_segment(self._path)

    def _begin(self) -> None:
        self._path = self._job.segment(len(self._job.segments))
        with ExitStack() as stack:
            partial = stack.enter_context(replacing(self._path))
            self._writer = stack.enter_context(self._open_segment(partial))
            self._resources = stack.pop_all()


def count_finished(job: Job) -> int:
    """Count the frames that a job keeps, also where its last segment is a shorter one."""
    count = job.num_frames
    # Frames follow whole segments alone; a segment of one frame is an image.
    if not job.segments or job.frames or job.segment_frames == 1:
        return count
    last = job.segments[-1]
    try:
        with open_video(last, str(last)) as video:
            of_last = sum(bool(packet.size) for packet in video.container.demux(video.stream))
    except (DataError, av.FFmpegError):
        return count  # joining will report it
    return count - job.segment_frames + of_last


def _save_frame(path: Path, frame: PlanarFrame) -> None:
    with open(path, 'wb') as file:
        np.savez(file, *frame.planes.samples, times=[str(frame.time), str(frame.duration)])


def _load_frame(path: Path, format: VideoFormat) -> PlanarFrame:
    with np.load(path) as saved:
        samples = tuple(saved[f'arr_{index}'] for index in range(3))
        return PlanarFrame(Planes(samples, format), *map(Fraction, map(str, saved['times'])))


def first_frame_for(frame: int, num_frames: int, stride: int, batch_size: int) -> int:
    """Find the frame at which restoration has to begin for its results to be the same from another frame on.

    Windows are then the same, at the same places of batches.

    Args:
        frame (int): Number of the first frame whose result is needed.
        num_frames (int): T, the frames of a window.
        stride (int): As of `streaming.restore_frames`.
        batch_size (int): As of `streaming.restore_frames`.
    """
    if stride == 1:
        first = frame - num_frames // 2
    else:
        # The last window ends with the last frame, wherever that is. With T frames before `frame`, it is a whole one.
        first = frame - num_frames
    return max(0, first // (stride * batch_size)) * stride * batch_size


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Context in which errors of writing a file in the target's place name the target.

    Raises:
        UserError: Instead of an OSError or an error of FFmpeg.
    """
    try:
        yield
    except UserError as error:
        cause = error.__cause__
        if not isinstance(cause, (OSError, av.FFmpegError)):
            raise
        raise UserError(f'cannot write {target}: {cause.strerror or cause}') from cause
    except (OSError, av.FFmpegError) as error:
        raise UserError(f'cannot write {target}: {error.strerror or error}') from error
