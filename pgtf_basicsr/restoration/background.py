"""Reading ahead and writing behind: work in one thread beside the caller's, in order, a few items at a time.

The thread is handed the work item by item, as many items as there may be under way.  So it never waits for its caller:
whatever ends the caller, it has ended as well as soon as it is done with the item in hand.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

__all__ = ['read_ahead', 'write_behind']

END = object()


def read_ahead(iterable, size):
    """Yield what an iterable yields, which a thread takes from it up to `size` items ahead.

    The thread starts with the first item that is asked for, and has ended when this generator
    has: when all is read, or it raises, or is closed (see `contextlib.closing`).

    Args:
        iterable (Iterable): items of any type; only the thread iterates over it.
        size (int): items to take ahead, at least 1.

    Yields:
        The items, in order.

    Raises:
        Whatever iterating raises, after the items before.
    """
    iterator = iter(iterable)
    with _thread() as thread:
        under_way = deque(thread.submit(next, iterator, END) for _ in range(size))
        while (item := under_way.popleft().result()) is not END:
            under_way.append(thread.submit(next, iterator, END))
            yield item


@contextmanager
def write_behind(write, size):
    """Give a function that leaves calls of `write` to a thread, up to `size` at a time, for a ``with`` block.

    With `size` calls under way it waits for the first of them.  When the block ends well, all calls
    have been made; when it raises, those that have not begun are not made.  The thread has then ended.

    Args:
        write (Callable): takes an item; only the thread calls it, in order.
        size (int): calls under way, at least 1.

    Yields:
        Callable: takes an item as `write` does, and returns None.

    Raises:
        Whatever `write` raises first: out of a later call of the function, or of the block.  Calls
        that were under way may still be made.
    """
    under_way = deque()
    with _thread() as thread:

        def write_later(item):
            if len(under_way) == size:
                under_way.popleft().result()
            under_way.append(thread.submit(write, item))

        yield write_later
        while under_way:
            under_way.popleft().result()


@contextmanager
def _thread():
    """An executor of one thread that drops what it has not begun, and waits for the thread, when the block ends."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)
