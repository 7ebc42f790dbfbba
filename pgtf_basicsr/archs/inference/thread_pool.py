"""Threads that compute beside each other, each in one thread of torch's, and take the next task when one is done.

Torch divides each operation among its threads, and waits for the last of them: a thousand times a frame. Where another
program takes a part of a core, or cores are unequal, all wait for the slowest. Here threads share tasks that take
milliseconds, a tile of a feature map each, and wait where a layer needs all of the one before. How feature maps are cut
does not depend on the number of threads, and so neither do the bits of the result.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

__all__ = ['ThreadPool', 'for_each', 'in_threads', 'map_each']

Item = TypeVar('Item')
Result = TypeVar('Result')


class ThreadPool:
    """Threads of one thread of torch's each, that work on one thing at a time.

    Args:
        size (int): How many.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.all_threads = threading.Barrier(size)
        self.executor = ThreadPoolExecutor(size, 'inference', initializer=self._begin)
        self.busy = threading.Lock()
        self.stopped = False
        # Threads that are born later have as many of torch's as was set last, by any thread: not the one of these here.
        before = torch.get_num_threads()
        wait([self.executor.submit(torch.get_num_threads) for _ in range(size)])
        torch.set_num_threads(before)

    def _begin(self) -> None:
        # Asked for first: a thread that has not yet been takes what was set last when it is.
        torch.get_num_threads()
        torch.set_num_threads(1)
        _place.pool = self
        # Only a thread that waits for work would keep the next one from being started.
        self.all_threads.wait()

    def run(self, function: Callable[[], Result]) -> Result:
        """Call a function in one of the threads, whose :func:`for_each` then has the others to help.

        Control-C and errors are raised once no thread works on it any more.
        """
        with self.busy:
            self.stopped = False
            results = []
            try:
                # Control-C may come here, when a thread has begun already.
                results.append(self.executor.submit(_in_this_mode(function)))
                return results[0].result()
            except BaseException:
                # Tasks that are not begun are left.
                self.stopped = True
                wait(results)
                raise

    def share(self, function: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Call a function for each item; from one of the threads, with the help of the others."""
        remaining = deque(items)

        def work() -> None:
            while remaining:
                if self.stopped:
                    raise CancelledError
                try:
                    item = remaining.popleft()
                except IndexError:
                    # Another thread took the last one.
                    return
                try:
                    _place.inside = True
                    function(item)
                except BaseException:
                    remaining.clear()
                    raise
                finally:
                    _place.inside = False

        task = _in_this_mode(work)
        helpers = [self.executor.submit(task) for _ in range(min(self.size, len(remaining)) - 1)]
        try:
            work()
        finally:
            # One that has not begun by now is not needed.
            wait([helper for helper in helpers if not helper.cancel()])
        for helper in helpers:
            if not helper.cancelled():
                helper.result()


_place = threading.local()
_pools: dict[int, ThreadPool] = {}
_creation = threading.Lock()
# A child process has none of its parent's threads.
os.register_at_fork(before=_creation.acquire, after_in_parent=_creation.release, after_in_child=lambda: _forget_pools())


def in_threads(function: Callable[[], Result]) -> Result:
    """Call a function in a pool of as many threads as torch has here; directly where that is one, as within a pool."""
    threads = torch.get_num_threads()
    if threads == 1:
        return function()
    with _creation:
        if threads not in _pools:
            _pools[threads] = ThreadPool(threads)
    return _pools[threads].run(function)


def for_each(function: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Call a function for each item, in any order and in all threads of the pool that this is in.

    Outside a pool, and inside another one's function, items take turns.
    """
    pool = getattr(_place, 'pool', None)
    if pool is not None and not getattr(_place, 'inside', False):
        pool.share(function, items)
        return
    for item in items:
        function(item)


def map_each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call a function for each item, as :func:`for_each` does; return the results in the order of the items."""
    items = list(items)
    results: dict[int, Result] = {}

    def keep(i: int) -> None:
        results[i] = function(items[i])

    for_each(keep, range(len(items)))
    return [results[i] for i in range(len(items))]


def _forget_pools() -> None:
    _pools.clear()
    _creation.release()


def _in_this_mode(function: Callable[[], Result]) -> Callable[[], Result]:
    """Return the function with the modes of this thread, for another."""
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def call() -> Result:
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return function()

    return call
