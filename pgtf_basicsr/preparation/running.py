"""Work on many clips in several processes: in order, within bounds, and whatever happens to one of them."""

import errno
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for

import cv2
from tqdm import tqdm

from ..errors import DataError, UserError

__all__ = ['Failure', 'count_frame', 'default_workers', 'run_tasks']

# Tasks under way or waiting for an earlier one, a worker.
AHEAD = 2
REFRESH = 0.5  # seconds, on a screen; in a file, a line a minute is enough
REFRESH_IN_FILES = 60
_counter = None


@dataclass(frozen=True)
class Failure:
    """What became of a task that raised an error or took its process with it."""

    reason: str


def run_tasks(function, tasks, workers, unit):
    """Yield ``function(task)``, or a `Failure`, for each task in order, under a progress bar.

    The function and the tasks are sent to other processes; results should be small.

    Args:
        function (callable): Of a module.
        tasks (list): Its arguments.
        workers (int): Processes.
        unit (str): What a task is called in the bar.

    Raises:
        UserError: The disk is full, or the function raised one that is no DataError.
    """
    frames = multiprocessing.Value('q')
    # A process a core: more threads would get in each other's way.  Set before the processes are forked, in which
    # OpenCV would wait for ever for the threads that it had had here.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    team = [_Worker(function, frames) for _ in range(min(workers, len(tasks)))]
    interval = REFRESH if sys.stderr.isatty() else REFRESH_IN_FILES
    bar = tqdm(total=len(tasks), unit=unit, dynamic_ncols=True, mininterval=interval, maxinterval=interval, miniters=0)
    results, given, wanted = {}, 0, 0
    try:
        while wanted < len(tasks):
            for place, worker in enumerate(team):
                if worker.index is None and given < min(len(tasks), wanted + AHEAD * workers):
                    if not worker.give(given, tasks[given]):
                        team[place] = worker.replacement()
                        team[place].give(given, tasks[given])
                    given += 1
            busy = {worker.pipe: place for place, worker in enumerate(team) if worker.index is not None}
            for pipe in wait_for(list(busy), REFRESH):
                worker = team[busy[pipe]]
                index = worker.index
                results[index] = worker.take()
                if worker.index is not None:
                    team[busy[pipe]] = worker.replacement()
            while wanted in results:
                result = results.pop(wanted)
                if isinstance(result, UserError):
                    raise result
                wanted += 1
                bar.update()
                yield result
            bar.set_postfix(frames=frames.value, refresh=False)
            bar.update(0)
    finally:
        bar.close()
        for worker in team:
            worker.end()
        cv2.setNumThreads(threads)


def default_workers():
    """Processes that this one may use the cores of."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def count_frame():
    """Tell the progress bar, from a worker, that a frame has been worked on."""
    if _counter is not None:
        with _counter.get_lock():
            _counter.value += 1


class _Worker:
    """A process that does one task after the other.

    concurrent.futures does not tell which task took a process with it, and multiprocessing.Pool waits for it for ever.

    Attributes:
        pipe (Connection): Ready to be read when the task is done or the process has died.
        index (int | None): Of the task it has been given.
    """

    def __init__(self, function, frames):
        self._arguments = function, frames
        self.index = None
        self.pipe, its_end = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(function, its_end, frames), daemon=True)
        self._process.start()
        its_end.close()

    def give(self, index, task):
        """Start a task; returns whether the process was there to take it."""
        try:
            self.pipe.send(task)
        except OSError:
            return False
        self.index = index
        return True

    def take(self):
        """The result of the task.  If the process has died of it, a `Failure`, and ``index`` stays."""
        try:
            result = self.pipe.recv()
        except (EOFError, OSError):
            return Failure('its process died, of a fault in a library or for want of memory')
        self.index = None
        return result

    def replacement(self):
        """A new process in the place of this one."""
        self.end()
        return _Worker(*self._arguments)

    def end(self):
        """Stop the process, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self.pipe.close()


def _serve(function, pipe, frames):
    global _counter
    _counter = frames
    # The parent decides what becomes of Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if cv2.getNumThreads() != 1:  # spawned, not forked
        cv2.setNumThreads(1)
    threading.Thread(target=_leave_with, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()
    while True:
        pipe.send(_guarded(function, pipe.recv()))


def _leave_with(sentinel):
    """End this process when its parent has been killed."""
    wait_for([sentinel])
    os._exit(1)


def _guarded(function, task):
    try:
        return function(task)
    except DataError as error:
        return Failure(str(error))
    except UserError as error:  # a mistake that no task would be spared
        return error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return UserError(
                f'the disk is full ({error.filename or "while writing"}): make room and run the same '
                'command again, it goes on from here'
            )
        return Failure(f'{type(error).__name__}: {error}')
    except Exception as error:  # whatever is wrong with one clip, the others go on
        return Failure(f'{type(error).__name__}: {error}'.splitlines()[0])
