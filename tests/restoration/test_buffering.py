"""Reading ahead and writing behind: order, overlap, bounds, errors and ends, with real threads."""

import threading
from contextlib import closing
from itertools import count, islice

import pytest

from pgtf_basicsr.restoration.buffering import read_ahead, write_behind

pytestmark = pytest.mark.timeout(60)
SOON = 30  # seconds, after which what another thread should do has failed to happen


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.enumerate()
    yield
    assert threading.enumerate() == before


def counted(items, taken):
    for item in items:
        taken.append(item)
        yield item


def breaks_off(items):
    yield from items
    raise OSError('torn')


@pytest.mark.parametrize('size', [1, 3, 100])
@pytest.mark.parametrize('length', [0, 1, 2, 20])
def test_all_is_read_in_order(size, length):
    assert list(read_ahead(range(length), size)) == list(range(length))


def test_items_may_be_anything():
    items = [None, StopIteration(), [], read_ahead]
    assert list(read_ahead(items, 2)) == items


def test_one_other_thread_reads():
    readers = set(read_ahead((threading.get_ident() for _ in range(20)), 3))
    assert len(readers) == 1 and threading.get_ident() not in readers


@pytest.mark.parametrize('size', [1, 3, 8])
def test_no_more_than_size_items_are_read_ahead(size):
    taken = []
    for index, _ in enumerate(read_ahead(counted(range(50), taken), size), 1):
        assert len(taken) <= index + size


def test_reading_goes_on_while_the_consumer_works():
    third = threading.Event()
    items = (third.set() if index == 3 else index for index in range(5))
    with closing(read_ahead(items, 3)) as ahead:
        assert next(ahead) == 0
        assert third.wait(SOON)


def test_errors_of_reading_come_after_the_items_before():
    read = []
    with pytest.raises(OSError, match='torn'):
        read.extend(read_ahead(breaks_off(range(5)), 3))
    assert read == [0, 1, 2, 3, 4]


def test_reading_ends_with_its_consumer():
    taken = []
    ahead = read_ahead(counted(count(), taken), 3)
    assert list(islice(ahead, 2)) == [0, 1]
    ahead.close()
    assert 2 <= len(taken) <= 5
    assert list(ahead) == []


def test_nothing_is_read_before_the_first_item_is_asked_for():
    taken = []
    read_ahead(counted(range(5), taken), 3).close()
    assert taken == []


@pytest.mark.parametrize('size', [1, 3, 100])
@pytest.mark.parametrize('length', [0, 1, 2, 20])
def test_all_is_written_in_order(size, length):
    written = []
    with write_behind(written.append, size) as write:
        for item in range(length):
            write(item)
    assert written == list(range(length))


def test_one_other_thread_writes():
    writers = set()
    with write_behind(lambda item: writers.add(threading.get_ident()), 3) as write:
        for item in range(20):
            write(item)
    assert len(writers) == 1 and threading.get_ident() not in writers


@pytest.mark.parametrize('size', [1, 3, 8])
def test_no_more_than_size_calls_are_under_way(size):
    written = []
    with write_behind(written.append, size) as write:
        for number in range(1, 51):
            write(number)
            assert len(written) >= number - size


def test_the_caller_goes_on_while_the_thread_writes():
    go_on, written = threading.Event(), []

    def write_once_let(item):
        assert go_on.wait(SOON)
        written.append(item)

    with write_behind(write_once_let, 3) as write:
        for item in range(3):
            write(item)
        assert written == []
        go_on.set()
    assert written == [0, 1, 2]


@pytest.mark.parametrize('length', [3, 20], ids=['out of the block', 'out of a later call'])
def test_errors_of_writing_reach_the_caller(length):
    def fail(item):
        if item == 2:
            raise OSError('disk full')

    accepted = []
    with pytest.raises(OSError, match='disk full'), write_behind(fail, 3) as write:
        for item in range(length):
            write(item)
            accepted.append(item)
    assert len(accepted) == min(length, 5)


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_writing_ends_when_the_block_raises(error):
    written = []
    with pytest.raises(error), write_behind(written.append, 4) as write:
        for item in range(10):
            write(item)
        raise error
    assert written == list(range(len(written)))
