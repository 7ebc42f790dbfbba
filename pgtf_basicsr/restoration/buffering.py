"""Reading ahead and writing behind: work in one thread beside the caller's, in order, a few items at a time.

The thread receives one item at a time, of as many as may be in progress. So it never waits for its caller: whatever
ends the caller, the thread ends as soon as it has finished the current item.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ['BUFFERED', 'read_ahead', 'write_behind']

# Frames read ahead and frames to be written, at least: decoders and encoders take several at a time.
BUFFERED = 4

Item = TypeVar('Item')

END: Any = object()


def read_ahead(iterable: Iterable[Item], size: int) -> Generator[Item, None, None]:
    """Yield what an iterable yields, which a thread takes from it up to `size` items ahead.

    The thread starts when the first item is asked for. It has ended when this generator ends: when all is read, when
    it raises, or when it is closed (see `contextlib.closing`).

    Args:
        iterable (Iterable): Items of any type. Only the thread iterates over it.
        size (int): Items to take ahead, at least 1.

    Yields:
        The items, in order.

    Raises:
        Exception: Whatever iterating raises, after the items before.
    """
    iterator = iter(iterable)
    with _thread() as thread:
        in_progress = deque(thread.submit(next, iterator, END) for _ in range(size))
        while (item := in_progress.popleft().result()) is not END:
            in_progress.append(thread.submit(next, iterator, END))
            yield item


@contextmanager
def write_behind(write: Callable[[Item], object], size: int) -> Iterator[Callable[[Item], None]]:
    """Provide a function that leaves calls of `write` to a thread, up to `size` at a time, for a ``with`` block.

    With `size` calls in progress it waits for the first of them. When the block ends without an error, all calls have
    been made. When it raises, calls that have not begun are dropped. The thread has then ended.

    Args:
        write (Callable): Takes an item. Only the thread calls it, in order.
        size (int): Calls in progress, at least 1.

    Yields:
        Callable: Takes an item as `write` does, and returns None.

    Raises:
        Exception: Whatever `write` raises first, out of a later call of the function or out of the block. Calls that
            were in progress may still be made.
    """
    in_progress: deque[Future[object]] = deque()
    with _thread() as thread:

        def write_later(item: Item) -> None:
            if len(in_progress) == size:
                in_progress.popleft().result()
            in_progress.append(thread.submit(write, item))

        yield write_later
        while in_progress:
            in_progress.popleft().result()


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """Provide an executor of one thread; when the block ends, drop what has not begun and wait for the thread."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)
