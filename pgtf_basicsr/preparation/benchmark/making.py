"""``basicsr prepare benchmark``: from clips and a protocol to a test set whose every pixel is pinned."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config.reading import OptionFile
from ...config.value_types import as_in_yaml
from ...data.benchmarks import GT, LANDMARKS, LQ, Benchmark
from ...data.clips import frame_name, write_landmarks
from ...data.degradation import DegradationParameters
from ...data.exact_degradation import ExactDegradation
from ...data.exact_resampling import ExactWarp
from ...data.protocols import ALIGNED, Protocol
from ...errors import DataError, UserError
from ...faces.detection import DetectorChoice
from ...faces.exact_alignment import align_exactly
from ...faces.transforms import compose
from ...images import decode_image
from ..landmark_lists import LandmarkFile, ListedLandmarks, open_landmarks
from ..sources import Member, SourceClip, find_clips
from ..workers import Failure, count_frame, run_tasks
from .pixels import PixelHashes, written
from .unfinished import UnfinishedBenchmark
from .versions import installed_versions

__all__ = ['make_benchmark']

# Longest side of the frames in which faces are detected, as in `vfhq`.
WORKING_SIZE = 256
# Landmarks are rounded to what a file of them holds, and transforms so that the last bits of a sine do not count: 2^-20
# is a two-thousandth of a pixel at the far end of 512.
LANDMARK_DIGITS, MATRIX_STEP = 3, 2.0**-20


@dataclass(frozen=True)
class Task:
    """A clip of which to make crops: its frames, its landmarks if they are given, and where to write to."""

    clip: SourceClip
    landmarks: LandmarkFile | ListedLandmarks | None
    detector: DetectorChoice
    protocol: Protocol
    staging: str


def make_benchmark(
    source: str | Path,
    root: str | Path,
    protocol: tuple[Protocol, OptionFile],
    detector: DetectorChoice,
    landmarks: tuple[str | Path, str] | None = None,
    workers: int = 1,
) -> Benchmark:
    """Make a benchmark of all clips of a source, or of those that the protocol names.

    Args:
        source (str | Path): Folder of clips or of archives of them, an archive, or an LMDB.
        root (str | Path): The folder to make; it appears once it is whole.
        protocol (tuple[Protocol, OptionFile]): As `protocols.open_protocol` reads it.
        detector (DetectorChoice): Detector of landmarks where none are given.
        landmarks (tuple, optional): Path and format of landmarks.
        workers (int): Number of processes.

    Raises:
        UserError: A clip is missing or cannot be used, no clip is found, ``root`` holds something, or the disk is full.
            Nothing is skipped.
    """
    options, file = protocol
    clips = _chosen_clips(source, options, file)
    given = open_landmarks(*landmarks) if landmarks else None
    versions = installed_versions()
    state = {
        'protocol': options.options(),
        'versions': versions,
        'source': os.path.abspath(source),
        'landmarks': landmarks and os.path.abspath(landmarks[0]),
        'detector': detector.name,
        'clips': [clip.name for clip in clips],
    }
    with UnfinishedBenchmark(root, state) as benchmark:
        tasks = [
            Task(clip, given.of(clip.name) if given else None, detector, options, benchmark.staging(index))
            for index, clip in enumerate(clips)
            if clip.name not in benchmark.clips
        ]
        for made, task in zip(run_tasks(make_clip, tasks, workers, 'clip'), tasks):
            if isinstance(made, Failure):
                raise UserError(f'clip {task.clip.name}: {made.reason}')
            benchmark.add(task.clip.name, made, task.staging)
        return benchmark.finish(options.options(), Path(file.path).read_text(encoding='utf-8'), versions)


def make_clip(task: Task) -> dict[str, Any]:
    """Write the crops of a clip to the staging folder; returns what the manifest says of it, see `Benchmark.clips`.

    Raises:
        DataError: The clip cannot be used.
    """
    protocol, name = task.protocol, task.clip.name
    frames = _numbered_frames(task)
    number = list(frames)[len(frames) // 2]
    centre = decode_image(task.clip.read(frames[number]), frames[number][0])
    landmarks = _landmarks(task, frames, number, centre)
    try:
        aligned = align_exactly(landmarks, protocol.size)
    except ValueError as error:
        raise DataError(str(error)) from error
    folder = Path(task.staging, LANDMARKS)
    folder.mkdir(parents=True)
    write_landmarks(folder / f'{name}.txt', {frame_name(number): landmarks})

    # Draws follow from the seed and the clip's name: they are the same whatever other clips there are.
    seed = (protocol.seed, *np.frombuffer(hashlib.sha256(name.encode()).digest(), '<u4').tolist())
    # Both crops of a clip are degraded alike, so that nothing but the place of the face differs between them.
    degradation = ExactDegradation(protocol.degradation)
    drawn = degradation.draw(np.random.default_rng(seed), len(frames)) if protocol.has_gt else None
    crops = {}
    for crop in protocol.crops:
        matrix = aligned
        if crop != ALIGNED and protocol.placement:
            matrix = compose(protocol.placement.draw(np.random.default_rng((*seed, 1)), protocol.size), aligned)
        matrix = np.rint(matrix / MATRIX_STEP) * MATRIX_STEP
        warp = ExactWarp(matrix, centre.shape[0], centre.shape[1], protocol.size)
        images = map(warp, _read(task.clip, frames.values(), centre.shape))
        crops[crop] = {'matrix': matrix.tolist(), **_write_crop(task, crop, images, degradation, drawn)}
    return {
        'frames': len(frames),
        'landmarks': landmarks.tolist(),
        'degradation': as_in_yaml(asdict(drawn)) if drawn else None,
        'crops': crops,
    }


def _write_crop(
    task: Task,
    crop: str,
    images: Iterable[np.ndarray],
    degradation: ExactDegradation,
    drawn: DegradationParameters | None,
) -> dict[str, dict[str, str]]:
    """Write the images of a crop and, where something was drawn for them, the same degraded; returns their hashes."""
    hashes = {kind: PixelHashes() for kind in ((GT, LQ) if drawn else (LQ,))}
    folders = {kind: Path(task.staging, kind, crop, task.clip.name) for kind in hashes}
    if drawn:
        images = degradation.stream(written(images, folders[GT], hashes[GT]), drawn)
    for _ in written(images, folders[LQ], hashes[LQ]):
        count_frame()
    return {kind: of_kind.result() for kind, of_kind in hashes.items()}


def _chosen_clips(source: str | Path, protocol: Protocol, file: OptionFile) -> list[SourceClip]:
    found, notes = find_clips(source)
    if notes:
        raise UserError(f'SRC: {notes[0].clip}: {notes[0].reason}; nothing of a benchmark may be skipped')
    if protocol.clips is None:
        return found
    clips = {clip.name: clip for clip in found}
    for index, name in enumerate(protocol.clips):
        if name not in clips:
            raise UserError(f'SRC: {source} has no clip {name}, which {file.place(("clips", index))} names')
    return [clips[name] for name in sorted(protocol.clips)]


def _numbered_frames(task: Task) -> dict[int, Member]:
    """Where each frame lies, by number, in order.

    Raises:
        DataError: A file is no frame, or a frame is missing.
    """
    frames, notes = task.clip.frames()
    if notes:
        raise DataError(notes[0].reason)
    numbers = list(frames)
    if not numbers:
        raise DataError('it has no frames')
    gap = next((number for number in range(numbers[0], numbers[-1]) if number not in frames), None)
    if gap is not None:
        raise DataError(f'frame {frame_name(gap)} is missing')
    return {number: frames[number] for number in numbers[: task.protocol.max_frames]}


def _landmarks(task: Task, frames: dict[int, Member], number: int, frame: np.ndarray) -> np.ndarray:
    """Landmarks (5, 2) of the centre frame, rounded.

    Raises:
        DataError: There are none.
    """
    if task.landmarks:
        try:
            found = task.landmarks.read(list(frames), frame.shape[:2]).get(number)
        except ValueError as error:
            raise DataError(str(error)) from error
        if found is None:
            raise DataError(f'--landmarks have none of its centre frame {frame_name(number)}')
    else:
        faces = task.detector.build(WORKING_SIZE).detect(frame)
        if not faces:
            raise DataError(f'no face found in its centre frame {frame_name(number)}; give its --landmarks')
        found = faces[0].landmarks
    return np.round(found, LANDMARK_DIGITS)


def _read(clip: SourceClip, frames: Iterable[Member], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8 RGB.

    Raises:
        DataError: One is broken, or of another shape.
    """
    for member in frames:
        frame = decode_image(clip.read(member), member[0])
        if frame.shape != shape:
            raise DataError(
                f'frame {member[0]} is {frame.shape[1]}x{frame.shape[0]}, and the centre frame {shape[1]}x{shape[0]}'
            )
        yield frame
