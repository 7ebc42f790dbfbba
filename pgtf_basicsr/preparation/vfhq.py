"""``basicsr prepare vfhq``: from folders or archives of frames to the folders that training reads."""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..data.clips import Clip, frame_name
from ..errors import UserError
from ..faces.alignment import align_to_template
from ..faces.detection import DetectorChoice, FaceDetector
from ..faces.tracks import box_iou
from ..images import decode_image
from ..video import SeekableVideoWriter
from .landmark_lists import LandmarkFile, LandmarkFolder, LandmarkList, ListedLandmarks, open_landmarks
from .layout import GT, LQ, Layout, Record
from .report import Note, limit_notes
from .segments import NO_FACE, Segment, cut_clip
from .sources import FolderClip, Member, SourceClip, find_clips
from .splits import identity_of, split_identities
from .summary import Summary
from .workers import Failure, count_frame, run_tasks
from .writers import link_or_copy, stage_landmarks

__all__ = ['FrameSettings', 'prepare_frames']

# VFHQ's clips are crops around one face, which then still has a hundred pixels.
WORKING_SIZE = 256
# Mean distance between given and detected landmarks, over the distance of the eyes.
MOST_MISPLACED = 0.5
# What every JPEG file begins with.
JPEG = b'\xff\xd8'
# Frame rate of a stored video. Nothing reads it, and frames do not state theirs.
RATE = Fraction(25)


@dataclass(frozen=True)
class FrameSettings:
    """How clips of frames are prepared.

    Attributes:
        detector (DetectorChoice): Detector of the landmarks, or to check whether given landmarks lie on the face.
        storage (str): One of `layout.STORAGES`. With videos, degraded clips still stay image files: what a codec did
            to them is not to be done twice.
        copy (bool): Copy frames of folders instead of giving their files a second name.
        crf (int): Quality of stored videos.
        min_length (int): Shorter clips are skipped.
        max_gap (int): Landmarks are interpolated over up to this many frames in a row without a face.
    """

    detector: DetectorChoice
    storage: str = 'frames'
    copy: bool = False
    crf: int = 10
    min_length: int = 16
    max_gap: int = 5


@dataclass(frozen=True)
class Task:
    """A clip to prepare: its frames, its degraded frames and landmarks if it has any, and where to write it."""

    clip: SourceClip
    lq: SourceClip | None
    landmarks: LandmarkFile | ListedLandmarks | None
    settings: FrameSettings
    staging: str


def prepare_frames(
    source: str | Path,
    root: str | Path,
    settings: FrameSettings,
    options: dict[str, Any],
    landmarks: tuple[str | Path, str] | None = None,
    lq: str | Path | None = None,
    val_share: float = 0.02,
    seed: int = 0,
    workers: int = 1,
) -> Summary:
    """Prepare all clips below a folder or in an archive.

    Args:
        source (str | Path): The folder or the archive.
        root (str | Path): The folder to make, or to resume.
        settings (FrameSettings): How clips are prepared.
        options (dict): Everything that the result depends on, to compare with the options of an earlier run.
        landmarks (tuple, optional): Path and format of landmarks. None detects them.
        lq (str | Path, optional): Folder or archive of the same clips degraded.
        val_share (float): About this share of identities is held out.
        seed (int): Other seeds hold out others.
        workers (int): Number of processes.

    Returns:
        Summary: What was prepared.

    Raises:
        UserError: Something is missing, no clip is found, ``root`` holds something else, or the disk is full.
    """
    clips, notes = find_clips(source)
    lq_clips, lq_notes = find_clips(lq, '--lq') if lq else ([], [])
    notes += lq_notes
    if lq:
        paired = {clip.name for clip in lq_clips}
        notes += [Note(clip.name, 'it has no degraded frames') for clip in clips if clip.name not in paired]
    given = open_landmarks(*landmarks) if landmarks else None
    splits = split_identities([identity_of(clip.name) for clip in clips], val_share, seed)
    with Layout(root, options, settings.storage) as layout:
        tasks = _tasks(layout, clips, lq_clips if lq else None, given, settings)
        for outcome, task in zip(run_tasks(prepare_clip, tasks, workers, 'clip'), tasks):
            if isinstance(outcome, Failure):
                notes.append(Note(task.clip.name, outcome.reason))
            else:
                layout.add(outcome, task.staging, splits[outcome.identity])
        return Summary.of(layout, layout.finish(notes, val_share, seed), notes, 'clip')


def prepare_clip(task: Task) -> Record:
    """Check a clip's frames, find its faces, and write its good segments to the staging folder."""
    name = task.clip.name
    try:
        scan = _scan(task)
        if task.landmarks:
            _add_given_landmarks(task, task.landmarks, scan)
    except _RejectedClipError as error:
        return Record(name, identity_of(name), notes=[error.note])
    segments, cuts = cut_clip(
        name,
        scan.landmarks,
        scan.faults,
        task.settings.min_length,
        task.settings.max_gap,
        without='no landmarks given' if task.landmarks else NO_FACE,
    )
    height, width = scan.size
    for segment in segments:
        _stage(task, scan, segment)
    return Record(
        name,
        identity_of(name),
        [Clip(segment.name, len(segment), height, width, segment.first) for segment in segments],
        limit_notes(scan.notes + cuts),
        sum(segment.interpolated for segment in segments),
    )


class FaceFollower:
    """Landmarks of one face through a clip: the largest at first, then the one that overlaps the last most."""

    def __init__(self, choice: DetectorChoice):
        self._detector = _detector(choice)
        self._box: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        """Landmarks (5, 2) of the face in the next frame; None if no face is found."""
        faces = self._detector.detect(frame)
        if not faces:
            return None
        face = faces[0]
        if self._box is not None:
            last_box = self._box
            nearest = max(faces, key=lambda face: box_iou(face.box, last_box))
            face = nearest if box_iou(nearest.box, last_box) > 0 else face
        self._box = face.box
        return face.landmarks


class _RejectedClipError(Exception):
    """A whole clip cannot be used; the note says why."""

    def __init__(self, note: Note):
        super().__init__(note.reason)
        self.note = note


@dataclass
class _Scan:
    """What reading all frames of a clip found; dicts are by frame number.

    Attributes:
        frames (dict): Where each frame lies.
        lq_frames (dict | None): Where each degraded frame lies; None where there are none.
        notes (list[Note]): Files that were skipped.
        size (tuple[int, int]): Height and width of most frames; (0, 0) if no frame can be read.
        faults (dict): Why frames cannot be used.
        landmarks (dict): (5, 2), or None where there are none.
    """

    frames: dict[int, Member]
    lq_frames: dict[int, Member] | None
    notes: list[Note]
    size: tuple[int, int] = (0, 0)
    faults: dict[int, str] = field(default_factory=dict)
    landmarks: dict[int, np.ndarray | None] = field(default_factory=dict)


def _tasks(
    layout: Layout,
    clips: list[SourceClip],
    lq_clips: list[SourceClip] | None,
    given: LandmarkFolder | LandmarkList | None,
    settings: FrameSettings,
) -> list[Task]:
    """Tasks for the clips that are not done and, where there are degraded ones, have a degraded counterpart."""
    lq_by_name = {clip.name: clip for clip in lq_clips or ()}
    return [
        Task(clip, lq_by_name.get(clip.name), given.of(clip.name) if given else None, settings, layout.staging(index))
        for index, clip in enumerate(clips)
        if not layout.has(clip.name) and (lq_clips is None or clip.name in lq_by_name)
    ]


def _scan(task: Task) -> _Scan:
    """Read all frames, check them, and detect landmarks unless they are given."""
    try:
        frames, notes = task.clip.frames()
        lq_frames = task.lq.frames()[0] if task.lq else None
    except OSError as error:
        raise _RejectedClipError(Note(task.clip.name, f'it cannot be read: {error.strerror}')) from error
    scan = _Scan(frames, lq_frames, notes)
    detect = None if task.landmarks else FaceFollower(task.settings.detector)
    sizes = {}
    for number, member in frames.items():
        count_frame()
        try:
            frame = decode_image(task.clip.read(member), member[0])
        except (OSError, ValueError, UserError) as error:
            scan.faults[number] = f'broken: {error}'
            continue
        sizes[number] = frame.shape[:2]
        if task.lq and lq_frames is not None and (fault := _lq_fault(task.lq, lq_frames.get(number))):
            scan.faults[number] = fault
        scan.landmarks[number] = detect(frame) if detect else None
    if sizes:
        scan.size = Counter(sizes.values()).most_common(1)[0][0]
    height, width = scan.size
    scan.faults |= {
        number: f'its size is {other[1]}x{other[0]}, and {width}x{height} in the rest of the clip'
        for number, other in sizes.items()
        if other != scan.size
    }
    _check_landmarks(scan)
    return scan


def _add_given_landmarks(task: Task, landmarks: LandmarkFile | ListedLandmarks, scan: _Scan) -> None:
    """Read given landmarks of the frames that can be read, and check them.

    Raises:
        _RejectedClipError: They cannot be read, or lie beside the face.
    """
    if not scan.landmarks:
        return
    try:
        found = landmarks.read(list(scan.frames), scan.size)
    except (ValueError, UserError) as error:
        raise _RejectedClipError(Note(task.clip.name, str(error))) from error
    scan.landmarks = {number: found.get(number) for number in scan.landmarks}
    _check_landmarks(scan)
    _check_position(task, scan)


def _check_landmarks(scan: _Scan) -> None:
    """Add the faults of landmarks."""
    for number, points in scan.landmarks.items():
        if number not in scan.faults and points is not None and (fault := _landmark_fault(points, scan.size)):
            scan.faults[number] = fault


def _check_position(task: Task, scan: _Scan) -> None:
    """Check that given landmarks lie on the face: those of other frames or of another crop would lie beside it.

    The middle frame is checked, if a face is found in it.

    Raises:
        _RejectedClipError: They lie beside the face.
    """
    usable = {
        number: points for number, points in scan.landmarks.items() if points is not None and number not in scan.faults
    }
    if not usable:
        return
    number = sorted(usable)[len(usable) // 2]
    member = scan.frames[number]
    faces = _detector(task.settings.detector).detect(decode_image(task.clip.read(member), member[0]))
    distances = [
        np.linalg.norm(face.landmarks - usable[number], axis=1).mean()
        / np.linalg.norm(face.landmarks[0] - face.landmarks[1])
        for face in faces
    ]
    if distances and min(distances) >= MOST_MISPLACED:
        reason = (
            f'given landmarks lie beside the face, {min(distances):.1f} times the distance of its '
            'eyes away: without --landmarks they are detected'
        )
        raise _RejectedClipError(Note(task.clip.name, reason, number, number))


@lru_cache(maxsize=1)
def _detector(choice: DetectorChoice) -> FaceDetector:
    """A process's detector: building one for every clip would take longer than some clips."""
    return choice.build(WORKING_SIZE)


def _lq_fault(clip: SourceClip, member: Member | None) -> str | None:
    """Why a degraded frame cannot be used, or None."""
    if member is None:
        return 'no degraded frame'
    try:
        decode_image(clip.read(member), member[0])
    except (OSError, ValueError, UserError) as error:
        return f'broken degraded frame: {error}'
    return None


def _landmark_fault(points: np.ndarray, size: tuple[int, int]) -> str | None:
    """Why landmarks of a frame of this height and width cannot be used, or None."""
    if not np.isfinite(points).all():
        return 'landmarks are not finite'
    if (points.mean(axis=0) < 0).any() or (points.mean(axis=0) > size[::-1]).any():
        return 'landmarks lie outside of the image'
    try:
        align_to_template(points, 1)
    except ValueError:
        return 'landmarks do not make a face'
    return None


def _stage(task: Task, scan: _Scan, segment: Segment) -> None:
    """Write a segment's files to the staging folder."""
    staging = Path(task.staging)
    stage_landmarks(staging, segment)
    if task.settings.storage == 'video':
        height, width = scan.size
        path = staging / GT / f'{segment.name}.mp4'
        writer = SeekableVideoWriter(path, RATE, task.settings.crf, width, height)
        for number in segment.numbers:
            member = scan.frames[number]
            writer.write(decode_image(task.clip.read(member), member[0]))
        writer.close()
    else:
        _stage_files(task.clip, scan.frames, segment, staging / GT / segment.name, task.settings.copy)
    if task.lq and scan.lq_frames is not None:
        _stage_files(task.lq, scan.lq_frames, segment, staging / LQ / segment.name, task.settings.copy)


def _stage_files(clip: SourceClip, frames: Mapping[int, Member], segment: Segment, folder: Path, copy: bool) -> None:
    """Write a segment's image files, their bytes unchanged."""
    folder.mkdir(parents=True)
    for number in segment.numbers:
        member = frames[number]
        suffix = os.path.splitext(member[0])[1].lower()
        if isinstance(clip, FolderClip) and not copy:
            link_or_copy(clip.path(member), folder / f'{frame_name(number)}{suffix}')
        else:
            data = clip.read(member)
            # Keys of an LMDB have no suffix.
            suffix = suffix or ('.jpg' if data.startswith(JPEG) else '.png')
            (folder / f'{frame_name(number)}{suffix}').write_bytes(data)
