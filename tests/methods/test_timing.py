import pytest
import torch

from pgtf_basicsr.methods import timing
from pgtf_basicsr.methods.method import Method
from pgtf_basicsr.methods.timing import Spread, StepTimer, describe_machine, measure_interleaved


class Clock:
    """Stands still but for what is said to take time."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(timing.time, 'perf_counter', lambda: self.now)

    def takes(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_time_of_inner_steps_is_not_that_of_outer_ones(clock):
    timer = StepTimer()

    def numbers():
        for number in range(3):
            clock.takes(1)
            yield number

    def doubled(items):
        for item in items:
            clock.takes(10)
            yield 2 * item

    for item in timer.timed(doubled(timer.timed(numbers(), 'inner')), 'outer'):
        assert item in (0, 2, 4)
        clock.takes(1000)
        with timer.step('third'):
            clock.takes(100)
    assert timer.seconds == {'inner': 3, 'outer': 30, 'third': 300}


def test_an_error_ends_its_step(clock):
    timer = StepTimer()
    with pytest.raises(KeyError), timer.step('failing'):
        clock.takes(1)
        raise KeyError
    clock.takes(10)
    with timer.step('next'):
        clock.takes(100)
    assert timer.seconds == {'failing': 1, 'next': 100}


class Clocked(Method):
    def __init__(self, name, clock, log, seconds):
        self._name, self._clock, self._log, self._seconds = name, clock, log, iter(seconds)

    def restore(self, frames):
        self._log.append(self._name)
        self._clock.takes(next(self._seconds))
        yield from frames


class Stepped(Clocked):
    """Has steps of its own, the second of which is what takes time."""

    seconds = {'first': 5.0, 'second': 0.0}

    def restore(self, frames):
        before = self._clock.now
        yield from super().restore(frames)
        self.seconds = dict(self.seconds, second=self.seconds['second'] + self._clock.now - before)


def test_methods_take_turns_and_are_timed_a_frame(clock):
    log, frames = [], [torch.zeros(3, 8, 8)] * 4
    methods = {'a': Clocked('a', clock, log, [99, 4, 8, 6]), 'b': Stepped('b', clock, log, [99, 40, 40, 80])}
    times = measure_interleaved(methods, frames, rounds=3)
    assert log == ['a', 'b', 'b', 'a', 'a', 'b', 'b', 'a']
    assert times['a'].rounds == [{'restoration': 1}, {'restoration': 2}, {'restoration': 1.5}]
    assert times['a'].total == Spread(1.5, 1, 2)
    assert times['b'].steps == {'first': Spread(0, 0, 0), 'second': Spread(10, 10, 20)}
    assert times['b'].total == Spread(10, 10, 20)
    with pytest.raises(ValueError, match='at least one frame and one round'):
        measure_interleaved(methods, [])


@pytest.mark.parametrize('threads, text', [(1, '1 thread'), (2, '2 threads')])
def test_the_machine_is_named(threads, text):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    parts = describe_machine().split(', ')
    torch.set_num_threads(before)
    assert text in parts and parts[-1] == f'torch {torch.__version__}'
