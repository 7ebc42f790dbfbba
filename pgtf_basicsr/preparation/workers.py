"""Work on many clips in several processes: in order, in bounded memory, and robust to the failure of one of them."""

import errno
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import Any

import cv2
from tqdm import tqdm

from pgtf_process import HANGUP

from ..errors import DataError, UserError

__all__ = ['Failure', 'count_frame', 'default_workers', 'run_tasks']

# Tasks in progress or waiting for an earlier one, for each worker.
AHEAD = 2
REFRESH = 0.5  # seconds, on a screen; in a file, a line a minute is enough
REFRESH_IN_FILES = 60
_counter: Any = None  # frames worked on, shared by all processes; set in workers


@dataclass(frozen=True)
class Failure:
    """Result of a task that raised an error or whose process died."""

    reason: str


def run_tasks(function: Callable[[Any], Any], tasks: Sequence[Any], workers: int, unit: str) -> Iterator[Any]:
    """Yield ``function(task)``, or a `Failure`, for each task in order, with a progress bar.

    The function and the tasks are sent to other processes; results should be small.

    Args:
        function (Callable): A function of a module.
        tasks (Sequence): Its arguments.
        workers (int): Number of processes.
        unit (str): What the progress bar calls a task.

    Raises:
        UserError: The disk is full, or the function raised one that is not a DataError.
    """
    frames = multiprocessing.Value('q')
    # One thread for each process, which has a core. Set before the processes are forked: in them OpenCV would wait for
    # ever for the threads that it had here.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    team = [_Worker(function, frames) for _ in range(min(workers, len(tasks)))]
    interval = REFRESH if sys.stderr.isatty() else REFRESH_IN_FILES
    bar = tqdm(total=len(tasks), unit=unit, dynamic_ncols=True, mininterval=interval, maxinterval=interval, miniters=0)
    results: dict[int, Any] = {}
    started = finished = 0
    try:
        while finished < len(tasks):
            started = _start_tasks(team, tasks, started, min(len(tasks), finished + AHEAD * workers))
            results |= _take_results(team)
            while finished in results:
                result = results.pop(finished)
                if isinstance(result, UserError):
                    raise result
                finished += 1
                bar.update()
                yield result
            bar.set_postfix(frames=frames.value, refresh=False)
            bar.update(0)
    finally:
        bar.close()
        for worker in team:
            worker.end()
        cv2.setNumThreads(threads)


def default_workers() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def count_frame() -> None:
    """Report to the progress bar, from a worker, that a frame has been worked on."""
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += 1


class _Worker:
    """A process that does one task after the other.

    concurrent.futures does not report which task killed a process, and multiprocessing.Pool waits for it for ever.

    Attributes:
        pipe (Connection): Ready to be read when the task is done or the process has died.
        index (int | None): Index of the task it has been given.
    """

    def __init__(self, function: Callable[[Any], Any], frames: Any):
        self._arguments = function, frames
        self.index: int | None = None
        self.pipe, worker_pipe = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(function, worker_pipe, frames), daemon=True)
        self._process.start()
        worker_pipe.close()

    def give(self, index: int, task: Any) -> bool:
        """Start a task. Returns whether the process was alive to take it."""
        try:
            self.pipe.send(task)
        except OSError:
            return False
        self.index = index
        return True

    def take(self) -> Any:
        """Take the result of the task. If the process has died, it is a `Failure`, and `index` stays."""
        try:
            result = self.pipe.recv()
        except (EOFError, OSError):
            return Failure('its process died, of a fault in a library or for lack of memory')
        self.index = None
        return result

    def replacement(self) -> '_Worker':
        """Replace this process by a new one."""
        self.end()
        return _Worker(*self._arguments)

    def end(self) -> None:
        """Stop the process, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self.pipe.close()


def _start_tasks(team: list[_Worker], tasks: Sequence[Any], started: int, limit: int) -> int:
    """Give idle workers tasks up to a limit. Returns how many have been started."""
    for place, worker in enumerate(team):
        if worker.index is None and started < limit:
            if not worker.give(started, tasks[started]):
                team[place] = worker.replacement()
                team[place].give(started, tasks[started])
            started += 1
    return started


def _take_results(team: list[_Worker]) -> dict[int, Any]:
    """Wait a moment for results, {index: result}; workers that have died are replaced."""
    results = {}
    ready = wait_for([worker.pipe for worker in team if worker.index is not None], REFRESH)
    for place, worker in enumerate(team):
        index = worker.index
        if index is None or worker.pipe not in ready:
            continue
        results[index] = worker.take()
        if worker.index is not None:  # it has died
            team[place] = worker.replacement()
    return results


def _serve(function: Callable[[Any], Any], pipe: Connection, frames: Any) -> None:
    global _counter
    _counter = frames
    # What a forked process inherits is not its own to collect: a decoder would wait for threads that it does not have.
    gc.freeze()
    # The parent decides what happens on Ctrl-C, and when the terminal is closed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(HANGUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if cv2.getNumThreads() != 1:  # spawned, not forked
        cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        pipe.send(_guarded(function, pipe.recv()))


def _end_with_parent() -> None:
    """End this process when its parent has been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


def _guarded(function: Callable[[Any], Any], task: Any) -> Any:
    """Call the function. An error that concerns one task becomes a `Failure`, one that concerns all a UserError."""
    try:
        return function(task)
    except DataError as error:
        return Failure(str(error))
    except UserError as error:
        return error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return UserError(
                f'the disk is full ({error.filename or "while writing"}): make room and run the same '
                'command again, it resumes here'
            )
        return Failure(f'{type(error).__name__}: {error}')
    except Exception as error:  # whatever is wrong with one clip, the others continue
        return Failure(f'{type(error).__name__}: {error}'.splitlines()[0])
