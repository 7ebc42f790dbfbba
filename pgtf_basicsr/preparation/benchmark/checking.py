"""``basicsr prepare check`` of a benchmark: whether every pixel and option is as it was made."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config.checking import parse_section
from ...config.reading import read
from ...data.benchmarks import LANDMARKS, MANIFEST, PROTOCOL_FILE, Benchmark, load_manifest
from ...data.clips import frame_name, read_landmarks
from ...data.protocols import Protocol
from ...errors import DataError, UserError
from ...files import list_visible
from ..checking import CheckResult
from ..summary import counted
from ..workers import Failure, count_frame, run_tasks
from .pixels import PixelHashes, read_png
from .versions import installed_versions

__all__ = ['check_benchmark', 'is_benchmark']

# What an option is that one side does not have.
NONE = 'not there'


def is_benchmark(root: str | Path) -> bool:
    """Whether there is the manifest of a benchmark in a folder."""
    return Path(root, MANIFEST).is_file()


@dataclass(frozen=True)
class Task:
    """A clip's folder to check: its path below the benchmark's, and what the manifest says of it."""

    root: str
    folder: str
    num_frames: int
    hashes: dict[str, str]
    quick: bool


def check_benchmark(root: str | Path, quick: bool = False, workers: int = 1) -> CheckResult:
    """Check a benchmark.

    Args:
        root (str | Path): Its folder.
        quick (bool): Only look whether the frames are there.
        workers (int): Number of processes.

    Returns:
        CheckResult: A summary, which says what its versions and those that are installed differ in, and the problems.

    Raises:
        UserError: There is none.
    """
    benchmark, changes = load_manifest(root)
    result = CheckResult(_summary(benchmark), [f'{MANIFEST}: {change}' for change in changes])
    result.problems += _option_problems(benchmark)
    result.problems += _landmark_problems(benchmark)
    tasks = []
    for crop in benchmark.protocol['crops']:
        for kind in benchmark.kinds:
            folder = benchmark.folder(kind, crop)
            names = list_visible(folder) if folder.is_dir() else []
            result.problems += [
                f'{kind}/{crop}/{name} is not part of it' for name in names if name not in benchmark.clips
            ]
            tasks += [
                Task(str(root), f'{kind}/{crop}/{name}', made['frames'], made['crops'][crop][kind], quick)
                for name, made in benchmark.clips.items()
            ]
    for outcome in run_tasks(check_frames, tasks, workers, 'clip'):
        result.problems += [outcome.reason] if isinstance(outcome, Failure) else outcome
    return result


def check_frames(task: Task) -> list[str]:
    """Check the frames of a clip. Returns a line for each problem."""
    folder = Path(task.root, task.folder)
    names = [f'{frame_name(number)}.png' for number in range(task.num_frames)]
    found = list_visible(folder) if folder.is_dir() else []
    problems = [f'{task.folder}/{name} is missing' for name in names if name not in found]
    problems += [f'{task.folder}/{name} is not part of it' for name in found if name not in names]
    if task.quick or problems:
        return problems
    hashes = PixelHashes()
    for name, stated in zip(names, task.hashes['crc32'].split()):
        count_frame()
        try:
            frame = read_png(folder / name)
        except DataError as error:
            problems.append(f'{task.folder}/{name} {error}')
            continue
        if hashes.update(frame) != stated:
            problems.append(f'{task.folder}/{name}: its pixels were changed')
    if not problems and hashes.result() != task.hashes:
        problems.append(f'{task.folder}: its frames do not have the hash that {MANIFEST} states')
    return problems


def _summary(benchmark: Benchmark) -> list[str]:
    frames = sum(made['frames'] for made in benchmark.clips.values())
    lines = [
        f'benchmark {benchmark.label}: {counted(len(benchmark.clips), "clip")}, {counted(frames, "frame")}, '
        f'{" and ".join(benchmark.protocol["crops"])}, {" and ".join(benchmark.kinds)}'
    ]
    others = [
        f'{name} {benchmark.versions.get(name, "none")} (here {version})'
        for name, version in installed_versions().items()
        if benchmark.versions.get(name) != version
    ]
    if others:
        lines.append(f'made with {", ".join(others)}: made again here, it may have other pixels')
    return lines


def _option_problems(benchmark: Benchmark) -> Iterator[str]:
    """Differences between the protocol's file and the options in the manifest, with the line of each."""
    try:
        file = read(benchmark.root / PROTOCOL_FILE)
        options = parse_section(file, Protocol).options()
    except UserError as error:
        yield str(error)
        return
    stated, found = _flat(benchmark.protocol), _flat(options)
    for keys in sorted({**stated, **found}, key=file.line):
        if stated.get(keys, NONE) != found.get(keys, NONE):
            place = file.place(keys).replace(file.path, PROTOCOL_FILE)
            yield f'{place}: {".".join(keys)} is {found.get(keys, NONE)}, and {stated.get(keys, NONE)} in {MANIFEST}'


def _landmark_problems(benchmark: Benchmark) -> Iterator[str]:
    for name, made in benchmark.clips.items():
        try:
            found = list(read_landmarks(benchmark.root / LANDMARKS / f'{name}.txt').values())
        except UserError as error:
            yield str(error)
            continue
        if len(found) != 1 or not np.array_equal(found[0], made['landmarks']):
            yield f'{LANDMARKS}/{name}.txt: its landmarks are not those of {MANIFEST}'


def _flat(section: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Values by the keys that lead to them; an empty section is a value."""
    flat: dict[tuple[str, ...], Any] = {}
    for key, value in section.items():
        flat |= _flat(value, (*above, key)) if isinstance(value, dict) and value else {(*above, key): value}
    return flat
