"""``basicsr prepare vfhq``: from folders or archives of frames to the folders that training reads."""

import os
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..data.clips import Clip, decode_frame
from ..errors import UserError
from ..faces.alignment import align_to_template
from ..faces.detection import DetectorChoice
from ..faces.tracks import overlap
from .landmark_lists import LandmarkFile, ListedLandmarks, open_landmarks
from .layout import GT, LQ, Layout, Record
from .pieces import NO_FACE, Note, bounded, cut, frame_name
from .running import Failure, count_frame, run_tasks
from .sources import FolderClip, SourceClip, find_clips
from .splits import assign, identity_of
from .staging import ClipEncoder, link_or_copy, stage_landmarks
from .summary import Summary

__all__ = ['FrameSettings', 'prepare_frames']

# VFHQ's clips are crops around one face, which then still has a hundred pixels.
WORKING_SIZE = 256
# Mean distance between given and detected landmarks, over the distance of the eyes.
MOST_MISPLACED = 0.5
# Of a stored video; nothing reads it, and frames do not say theirs.
RATE = Fraction(25)


@dataclass(frozen=True)
class FrameSettings:
    """How clips of frames are prepared.

    Attributes:
        detector (DetectorChoice): Finds the landmarks, or looks whether those that are given lie on the face.
        storage (str): One of `staging.STORAGES`; as videos, degraded clips still stay files: what a codec did to them
            is not to be done twice.
        copy (bool): Copy frames of folders instead of giving their files a second name.
        crf (int): Of stored videos.
        min_length (int): Shorter clips are left out.
        max_gap (int): Up to so many frames in a row without a face have their landmarks interpolated.
    """

    detector: DetectorChoice
    storage: str = 'frames'
    copy: bool = False
    crf: int = 10
    min_length: int = 16
    max_gap: int = 5


@dataclass(frozen=True)
class Task:
    """A clip to prepare: where it is, its degraded frames and landmarks if there are any, where it is written to."""

    clip: SourceClip
    lq: SourceClip | None
    landmarks: LandmarkFile | ListedLandmarks | None
    settings: FrameSettings
    staging: str


def prepare_frames(source, root, settings, options, landmarks=None, lq=None, val_share=0.02, seed=0, workers=1):
    """Prepare all clips below a folder or in an archive.

    Args:
        source (str | Path): The folder or the archive.
        root (str | Path): The folder to make, or to go on with.
        settings (FrameSettings): How.
        options (dict): All that the result depends on, to compare with what an earlier run was told.
        landmarks (tuple, optional): Path and format of landmarks; None detects them.
        lq (str | Path, optional): Folder or archive of the same clips degraded.
        val_share (float): About this share of identities is held out.
        seed (int): Other seeds hold out others.
        workers (int): Processes.

    Returns:
        Summary

    Raises:
        UserError: Something is missing, no clip is found, ``root`` holds something else, or the disk is full.
    """
    clips, notes = find_clips(source)
    lq_clips, lq_notes = find_clips(lq, '--lq') if lq else ([], [])
    lq_by_name = {clip.name: clip for clip in lq_clips}
    given = open_landmarks(*landmarks) if landmarks else None
    splits = assign([identity_of(clip.name) for clip in clips], val_share, seed)
    notes += lq_notes
    with Layout(root, options, settings.storage) as layout:
        waiting = []
        for index, clip in enumerate(clips):
            if lq and clip.name not in lq_by_name:
                notes.append(Note(clip.name, 'it has no degraded frames'))
            elif not layout.has(clip.name):
                waiting.append(
                    Task(
                        clip,
                        lq_by_name.get(clip.name),
                        given.of(clip.name) if given else None,
                        settings,
                        layout.staging(index),
                    )
                )
        for outcome, task in zip(run_tasks(prepare_clip, waiting, workers, 'clip'), waiting):
            if isinstance(outcome, Failure):
                notes.append(Note(task.clip.name, outcome.reason))
            else:
                layout.add(outcome, task.staging, splits[outcome.identity])
        return Summary.of(layout, layout.finish(notes, val_share, seed), notes, 'clip')


def prepare_clip(task):
    """Check a clip's frames, find its faces, and write what is good of it to its staging folder.

    Returns:
        Record
    """
    name = task.clip.name
    record = Record(name, identity_of(name))
    try:
        frames, notes = task.clip.frames()
        lq_frames = task.lq.frames()[0] if task.lq else None
    except OSError as error:
        record.notes.append(Note(name, f'it cannot be read: {error.strerror}'))
        return record
    sizes, landmarks, faults = {}, {}, {}
    detect = None if task.landmarks else FaceFollower(task.settings.detector)
    for number, member in frames.items():
        count_frame()
        try:
            frame = decode_frame(task.clip.read(member), member[0])
        except (OSError, ValueError, UserError) as error:
            faults[number] = f'broken: {error}'
            continue
        sizes[number] = frame.shape[:2]
        if lq_frames is not None:
            fault = _lq_fault(task.lq, lq_frames.get(number))
            if fault:
                faults[number] = fault
        if detect:
            landmarks[number] = detect(frame)
    size = Counter(sizes.values()).most_common(1)[0][0] if sizes else None
    faults |= {
        number: f'its size is {other[1]}x{other[0]}, and {size[1]}x{size[0]} in the rest of the clip'
        for number, other in sizes.items()
        if other != size
    }
    if task.landmarks and size:
        try:
            found = task.landmarks.read(list(frames), size)
        except (ValueError, UserError) as error:
            record.notes.append(Note(name, str(error)))
            return record
        landmarks = {number: found.get(number) for number in sizes}
    faults |= {
        number: fault
        for number, points in landmarks.items()
        if number not in faults and points is not None and (fault := _landmark_fault(points, size))
    }
    if task.landmarks:
        misplaced = _misplaced(
            task,
            frames,
            {number: points for number, points in landmarks.items() if points is not None and number not in faults},
        )
        if misplaced:
            record.notes.append(misplaced)
            return record
    pieces, cuts = cut(
        name,
        landmarks,
        faults,
        task.settings.min_length,
        task.settings.max_gap,
        without='no landmarks given' if task.landmarks else NO_FACE,
    )
    record.notes.extend(bounded(notes + cuts))
    for piece in pieces:
        _stage(task, frames, lq_frames, piece, size)
        record.clips.append(Clip(piece.name, len(piece), *size, piece.first))
    return Record(name, record.identity, record.clips, record.notes, sum(piece.interpolated for piece in pieces))


class FaceFollower:
    """Landmarks of one face through a clip: the largest at first, then whichever lies where it was."""

    def __init__(self, choice):
        self._detector = _detector(choice)
        self._box = None

    def __call__(self, frame):
        """Landmarks (5, 2) of the face in the next frame, or None."""
        faces = self._detector.detect(frame)
        if not faces:
            return None
        face = faces[0]
        if self._box is not None:
            nearest = max(faces, key=lambda face: overlap(face.box, self._box))
            face = nearest if overlap(nearest.box, self._box) > 0 else face
        self._box = face.box
        return face.landmarks


@lru_cache(maxsize=1)
def _detector(choice):
    """A process's detector; building one anew for every clip would take longer than some clips."""
    return choice.build(WORKING_SIZE)


def _lq_fault(clip, member):
    """Why a degraded frame cannot be used, or None."""
    if member is None:
        return 'no degraded frame'
    try:
        decode_frame(clip.read(member), member[0])
    except (OSError, ValueError, UserError) as error:
        return f'broken degraded frame: {error}'
    return None


def _landmark_fault(points, size):
    """Why landmarks of a frame of this height and width cannot be used, or None."""
    if not np.isfinite(points).all():
        return 'landmarks are not finite'
    if (points.mean(axis=0) < 0).any() or (points.mean(axis=0) > size[::-1]).any():
        return 'landmarks lie outside of the picture'
    try:
        align_to_template(points, 1)
    except ValueError:
        return 'landmarks do not make a face'
    return None


def _misplaced(task, frames, landmarks):
    """What is told of given landmarks that lie beside the face, as those of other frames or crops would; or None.

    One frame is looked at, and believed where a face is found in it.
    """
    if not landmarks:
        return None
    number = sorted(landmarks)[len(landmarks) // 2]
    points = landmarks[number]
    faces = _detector(task.settings.detector).detect(decode_frame(task.clip.read(frames[number]), frames[number][0]))
    distances = [
        np.linalg.norm(face.landmarks - points, axis=1).mean() / np.linalg.norm(face.landmarks[0] - face.landmarks[1])
        for face in faces
    ]
    if not distances or min(distances) < MOST_MISPLACED:
        return None
    return Note(
        task.clip.name,
        f'given landmarks lie beside the face, {min(distances):.1f} times the distance of its '
        'eyes away: without --landmarks they are detected',
        number,
        number,
    )


def _stage(task, frames, lq_frames, piece, size):
    staging = Path(task.staging)
    stage_landmarks(staging, piece)
    if task.settings.storage == 'video':
        encoder = ClipEncoder(staging / GT / f'{piece.name}.mp4', RATE, task.settings.crf, size[1], size[0])
        for number in piece.numbers:
            encoder.write(decode_frame(task.clip.read(frames[number]), frames[number][0]))
        encoder.close()
    else:
        _stage_files(task.clip, frames, piece, staging / GT / piece.name, task.settings.copy)
    if lq_frames is not None:
        _stage_files(task.lq, lq_frames, piece, staging / LQ / piece.name, task.settings.copy)


def _stage_files(clip, frames, piece, folder, copy):
    """Write a piece's frame files, their bytes as they are."""
    folder.mkdir(parents=True)
    for number in piece.numbers:
        member = frames[number]
        target = folder / (frame_name(number) + os.path.splitext(member[0])[1].lower())
        if isinstance(clip, FolderClip) and not copy:
            link_or_copy(clip.path(member), target)
        else:
            target.write_bytes(clip.read(member))
