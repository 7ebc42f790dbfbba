"""Time that restoration takes, by step, of one method or of several that take turns."""

import platform
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from .method import Method

__all__ = ['MethodTimes', 'Spread', 'StepTimer', 'describe_machine', 'measure_interleaved']

Item = TypeVar('Item')

END: Any = object()
RESTORATION = 'restoration'


class StepTimer:
    """Adds up the seconds of steps, which may call one another: the time of an inner step is not the outer one's.

    Attributes:
        seconds (dict[str, float]): Seconds of each step so far.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time of a ``with`` block as that of a step."""
        self._count()
        self._running.append(name)
        try:
            yield
        finally:
            self._count()
            self._running.pop()

    def timed(self, items: Iterable[Item], name: str) -> Iterator[Item]:
        """Yield items, and count the time that it takes to make them as that of a step."""
        iterator = iter(items)
        while True:
            with self.step(name):
                item = next(iterator, END)
            if item is END:
                return
            yield item

    def _count(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


@dataclass(frozen=True)
class Spread:
    """Several measurements of one quantity.

    Attributes:
        median (float): Their median.
        low (float): The smallest.
        high (float): The largest.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> 'Spread':
        """Summarise measurements, one at least."""
        return cls(float(np.median(values)), min(values), max(values))


@dataclass(frozen=True)
class MethodTimes:
    """Run time of a method.

    Attributes:
        rounds (list[dict[str, float]]): Seconds a frame by step, of each round.
    """

    rounds: list[dict[str, float]]

    @property
    def steps(self) -> dict[str, Spread]:
        """Seconds a frame by step."""
        return {step: Spread.of([seconds[step] for seconds in self.rounds]) for step in self.rounds[0]}

    @property
    def total(self) -> Spread:
        """Seconds a frame of all steps together."""
        return Spread.of([sum(seconds.values()) for seconds in self.rounds])


def measure_interleaved(
    methods: Mapping[str, Method], frames: Sequence[Tensor], rounds: int = 5
) -> dict[str, MethodTimes]:
    """Measure the run time of several methods that take turns, so that a machine's other work slows all of them alike.

    In each round every method restores all frames once, in an order that is reversed from round to round. A round
    before the first one warms up and is not counted.

    Args:
        methods (Mapping[str, Method]): The methods. One with ``seconds`` by step, as `AlignedPipeline` has them, is
            timed by its steps; another one's time is that of its ``restoration``.
        frames (Sequence[Tensor]): (3, H, W), RGB, float in [0, 1].
        rounds (int): Number of rounds, 1 or more.

    Returns:
        dict[str, MethodTimes]: By the names of the methods.

    Raises:
        ValueError: There is no frame or no round.
    """
    if not frames or rounds < 1:
        raise ValueError('at least one frame and one round are needed')
    times: dict[str, list[dict[str, float]]] = {name: [] for name in methods}
    names = list(methods)
    for number in range(rounds + 1):
        for name in names:
            seconds = _seconds_a_frame(methods[name], frames)
            if number:
                times[name].append(seconds)
        names.reverse()
    return {name: MethodTimes(measured) for name, measured in times.items()}


def describe_machine() -> str:
    """Name what is measured on: processor, threads, graphics card and torch."""
    threads = torch.get_num_threads()
    parts = [_processor(), f'{threads} thread{"s" * (threads != 1)}']
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ', '.join([*parts, f'torch {torch.__version__}'])


def _seconds_a_frame(method: Method, frames: Sequence[Tensor]) -> dict[str, float]:
    before = dict(getattr(method, 'seconds', {}))
    start = time.perf_counter()
    for _ in method.restore(frames):
        pass
    passed = time.perf_counter() - start
    after = getattr(method, 'seconds', None) or {RESTORATION: passed}
    return {step: (after[step] - before.get(step, 0)) / len(frames) for step in after}


def _processor() -> str:
    """Name of the processor; Linux has it in a file of its own, other systems in `platform`."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return next(filter(None, [*names, platform.processor(), platform.machine()]), 'unknown processor')
