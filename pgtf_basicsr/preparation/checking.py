"""``basicsr prepare check``: check that a prepared folder holds what its lists state."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..data.clips import Clip, frame_name, read_landmarks, read_meta_info
from ..data.storage import open_storage
from ..errors import UserError
from ..files import list_visible
from ..video.seeking import count_frames
from .layout import DONE_FILE, GT, LANDMARKS, LQ, META_INFO, Record
from .splits import SPLITS, TRAIN, VAL, identity_of
from .summary import counted
from .workers import Failure, count_frame, run_tasks

__all__ = ['CheckResult', 'check_layout']

FRAMES_PER_HOUR = 25 * 3600
# Frames to have in memory at a time.
CHUNK = 8


@dataclass
class CheckResult:
    """Result of a check: lines of a summary, and a line for each problem."""

    summary: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """A clip to check in a split's folder; quick means without reading its frames."""

    split: str
    folder: str
    clip: Clip
    quick: bool


def check_layout(root: str | Path, quick: bool = False, workers: int = 1) -> CheckResult:
    """Check a prepared folder.

    Args:
        root (str | Path): The folder.
        quick (bool): Only check that frames exist, without reading them.
        workers (int): Number of processes.

    Returns:
        CheckResult: A summary, and the problems.

    Raises:
        UserError: There is no such folder, or no list of clips in it.
    """
    root = Path(root)
    listed = {
        split: read_meta_info(root / split / META_INFO) for split in SPLITS if (root / split / META_INFO).is_file()
    }
    if not listed:
        raise UserError(
            f'{root} was not prepared, or not to the end: neither train/{META_INFO} nor val/{META_INFO} is there'
        )
    result = CheckResult()
    if not listed.get(TRAIN):
        result.problems.append('there is nothing to train on')
    result.problems += _check_identities(root, listed)
    tasks = []
    for split, clips in listed.items():
        result.problems += _check_names(root / split, split, clips)
        tasks += [Task(split, str(root / split), clip, quick) for clip in clips]
    for outcome, task in zip(run_tasks(check_clip, tasks, workers, 'clip'), tasks):
        problems = [outcome.reason] if isinstance(outcome, Failure) else outcome
        result.problems += [f'{task.split}, {task.clip.name}: {problem}' for problem in problems]
    result.summary = _summary(root, listed)
    return result


def check_clip(task: Task) -> list[str]:
    """Check a clip. Returns a line for each problem."""
    clip, folder = task.clip, Path(task.folder)
    names = [frame_name(number) for number in range(clip.first or 0, (clip.first or 0) + clip.num_frames)]
    problems = _check_landmarks(folder / LANDMARKS / f'{clip.name}.txt', names)
    for kind in _kinds(folder):
        size = (clip.height, clip.width) if kind == GT else None
        problems += [f'{kind}: {problem}' for problem in _check_frames(folder, kind, clip, names, size, task.quick)]
    return problems


def _check_frames(
    folder: Path, kind: str, clip: Clip, names: list[str], size: tuple[int | None, int | None] | None, quick: bool
) -> list[str]:
    try:
        storage = _storage(folder, kind)
        problem = _find_gap(folder, kind, storage, clip, names)
        opened = storage.open(clip)
    except (UserError, OSError) as error:
        return [str(error)]
    if problem:
        return [problem]
    problems = []
    for start in range(0, 0 if quick else len(names), CHUNK):
        try:
            frames = opened.read(names[start : start + CHUNK])
        except UserError as error:
            problems.append(str(error))
            continue
        for name, frame in zip(names[start:], frames):
            count_frame()
            if size and frame.shape[:2] != size:
                problems.append(f'frame {name} is {frame.shape[1]}x{frame.shape[0]}, not {size[1]}x{size[0]}')
    return problems


def _find_gap(folder: Path, kind: str, storage: Any, clip: Clip, names: list[str]) -> str | None:
    """Which frames of a clip are missing or too many, without reading it; None if none are."""
    video = folder / kind / f'{clip.name}.mp4'
    if video.is_file():
        count = count_frames(str(video))
        return None if count == len(names) else f'the video has {count} frames, {len(names)} are listed'
    if (folder / f'{kind}.lmdb').is_dir():
        found = {name for name in names if storage.get(f'{clip.name}/{name}') is not None}
    else:
        found = {Path(file).stem for file in list_visible(folder / kind / clip.name)}
    missing = [name for name in names if name not in found]
    if missing:
        return f'{counted(len(missing), "frame")} of {len(names)} missing, the first is {missing[0]}'
    extra = len(found) - len(names)
    return f'it has {counted(extra, "frame")} beyond the {len(names)} listed' if extra else None


def _check_landmarks(path: Path, names: list[str]) -> list[str]:
    try:
        landmarks = read_landmarks(path)
    except UserError as error:
        return [str(error)]
    if list(landmarks) != names:
        return [f'{path.name} has {counted(len(landmarks), "line")}, which are not those of the {len(names)} frames']
    wrong = [name for name, points in landmarks.items() if not np.isfinite(points).all()]
    return [f'landmarks of frame {wrong[0]} are not finite'] if wrong else []


def _check_names(folder: Path, split: str, clips: Sequence[Clip]) -> list[str]:
    counts = Counter(clip.name for clip in clips)
    problems = [f'{split}: {name} is listed {count} times' for name, count in counts.items() if count > 1]
    files = list_visible(folder / LANDMARKS) if (folder / LANDMARKS).is_dir() else []
    found = {Path(file).stem for file in files if file.endswith('.txt')}
    problems += [f'{split}, {name}: it is there but not listed' for name in sorted(found - set(counts))]
    return problems


def _check_identities(root: Path, listed: Mapping[str, Sequence[Clip]]) -> list[str]:
    identities = _identities(root)
    shown = {
        split: {identities.get(clip.name, identity_of(clip.name)) for clip in clips} for split, clips in listed.items()
    }
    shared = shown.get(TRAIN, set()) & shown.get(VAL, set())
    if len(set().union(*shown.values())) <= 1:
        return []
    return [f'identity {identity} is both trained on and held out' for identity in sorted(shared)]


def _summary(root: Path, listed: Mapping[str, Sequence[Clip]]) -> list[str]:
    lines = []
    identities = _identities(root)
    for split, clips in listed.items():
        frames = sum(clip.num_frames for clip in clips)
        sizes = Counter(f'{clip.width}x{clip.height}' for clip in clips)
        shown = ', '.join(f'{size} ({count})' for size, count in sizes.most_common(4))
        people = {identities.get(clip.name, identity_of(clip.name)) for clip in clips}
        lines.append(
            f'{split}: {counted(len(clips), "clip")} of {counted(len(people), "identity")}, '
            f'{counted(frames, "frame")}, {frames / FRAMES_PER_HOUR:.2f} h at 25 frames/s, {shown}, '
            f'as {_storage_name(root / split)}, {_bytes_below(root / split) / 1e9:.3f} GB'
        )
    return lines


def _identities(root: Path) -> dict[str, str]:
    """Identities by clip, where prepare recorded them."""
    path = root / DONE_FILE
    if not path.is_file():
        return {}
    try:
        records = [Record.from_json(line) for line in path.read_text().splitlines()]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(f'{path} cannot be read: {error}') from error
    return {clip.name: record.identity for record in records for clip in record.clips}


def _kinds(folder: Path) -> list[str]:
    """Folders of frames: ground truth, and degraded clips where there are any."""
    return [GT, LQ] if (folder / LQ).is_dir() or (folder / f'{LQ}.lmdb').is_dir() else [GT]


@lru_cache(maxsize=4)
def _storage(folder: Path, kind: str) -> Any:
    lmdb = folder / f'{kind}.lmdb'
    return open_storage(lmdb if lmdb.is_dir() else folder / kind, kind)


def _storage_name(folder: Path) -> str:
    if (folder / f'{GT}.lmdb').is_dir():
        return 'LMDB'
    videos = (folder / GT).is_dir() and any(name.endswith('.mp4') for name in list_visible(folder / GT))
    return 'videos' if videos else 'frames'


def _bytes_below(folder: Path) -> int:
    return sum(os.path.getsize(os.path.join(path, file)) for path, _, files in os.walk(folder) for file in files)
