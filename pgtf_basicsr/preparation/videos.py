"""``basicsr prepare videos``: from ordinary video files to the folders that training reads.

A video is read in two passes: the first finds shots and faces, the second cuts out the crops that were chosen. Neither
keeps more than a few frames in memory.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..data.clips import Clip, frame_name
from ..errors import UserError
from ..faces.crops import Crop, crop_face
from ..faces.detection import DetectorChoice, Face, FaceDetector
from ..faces.sharpness import sharpness
from ..faces.tracks import track_faces
from ..faces.transforms import resize_matrix, transform_points
from ..files import is_hidden
from ..video import SeekableVideoWriter, VideoReader
from ..video.codecs import VIDEO_SUFFIXES, is_video_file
from ..video.shots import ShotDetector
from .layout import GT, Layout, Record
from .report import Note, limit_notes
from .segments import NO_FACE, Segment, cut_clip
from .sources import is_plain_name
from .splits import split_identities
from .summary import Summary
from .workers import Failure, count_frame, run_tasks
from .writers import FrameWriter, stage_landmarks

__all__ = ['VideoSettings', 'find_videos', 'prepare_videos']

WORKING_SIZE = 512


@dataclass(frozen=True)
class VideoSettings:
    """How clips are cut out of videos.

    Attributes:
        detector (DetectorChoice): Detector of faces.
        storage (str): One of `layout.STORAGES`.
        crf (int): Quality of stored videos.
        size (int): Crops whose shorter side has more pixels are shrunk to this.
        min_size (int): Crops whose shorter side has fewer pixels are skipped.
        min_length (int): Clips with fewer frames are skipped.
        max_length (int): Clips with more frames are cut evenly.
        sharpness (float): Clips of a lower median `sharpness` are skipped.
        max_gap (float): Seconds for which a face may be missing; its landmarks are then interpolated.
    """

    detector: DetectorChoice
    storage: str = 'frames'
    crf: int = 10
    size: int = 512
    min_size: int = 256
    min_length: int = 16
    max_length: int = 250
    sharpness: float = 20
    max_gap: float = 0.2


@dataclass(frozen=True)
class Task:
    """A video to prepare, and where to write its clips."""

    path: str
    name: str
    identity: str
    settings: VideoSettings
    staging: str
    threads: int


def prepare_videos(
    sources: Sequence[str | Path],
    root: str | Path,
    settings: VideoSettings,
    options: dict[str, Any],
    identity: str = 'file',
    val_share: float = 0.02,
    seed: int = 0,
    workers: int = 1,
) -> Summary:
    """Cut clips of faces out of videos.

    Args:
        sources (list): Video files, and folders with videos below them.
        root (str | Path): The folder to make, or to resume.
        settings (VideoSettings): How clips are cut out.
        options (dict): Everything that the result depends on, to compare with the options of an earlier run.
        identity (str): 'file' or 'folder': what counts as one person.
        val_share (float): About this share of identities is held out.
        seed (int): Other seeds hold out others.
        workers (int): Number of processes. If there are fewer videos, each gets several threads to detect with.

    Returns:
        Summary: What was prepared.

    Raises:
        UserError: A source is missing, there is no video, ``root`` holds something else, or the disk is full.
    """
    videos = find_videos(sources)
    identities = {name: str(path.parent.absolute()) if identity == 'folder' else name for name, path in videos.items()}
    splits = split_identities(identities.values(), val_share, seed)
    notes: list[Note] = []
    with Layout(root, options, settings.storage) as layout:
        waiting = [name for name in videos if not layout.has(name)]
        threads = max(workers // max(len(waiting), 1), 1)
        tasks = [
            Task(str(videos[name]), name, identities[name], settings, layout.staging(index), threads)
            for index, name in enumerate(waiting)
        ]
        for outcome, task in zip(run_tasks(prepare_video, tasks, workers, 'video'), tasks):
            if isinstance(outcome, Failure):
                notes.append(Note(task.name, outcome.reason))
            else:
                layout.add(outcome, task.staging, splits[outcome.identity])
        return Summary.of(layout, layout.finish(notes, val_share, seed), notes, 'video')


def find_videos(sources: Sequence[str | Path]) -> dict[str, Path]:
    """Find video files: those that are named, and those below named folders.

    The name of a video is that of its file without suffix. If several share it, the folder's name goes before it.

    Returns:
        dict[str, Path]: Paths by name.

    Raises:
        UserError: A source is missing, or there is no video.
    """
    paths: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            paths += _videos_below(source)
        elif source.is_file():
            paths.append(source)
        else:
            raise UserError(f'SRC: there is no video or folder {source}')
    if not paths:
        raise UserError(f'SRC: no video below {", ".join(map(str, sources))}; looked for {", ".join(VIDEO_SUFFIXES)}')
    paths = list(dict.fromkeys(path.absolute() for path in paths))
    stems = [path.stem for path in paths]
    videos: dict[str, Path] = {}
    for path in paths:
        name = path.stem if stems.count(path.stem) == 1 else f'{path.parent.name}_{path.stem}'
        name = name if is_plain_name(name) else 'video_' + ''.join(filter(str.isalnum, name))
        while name in videos:
            name += '_'
        videos[name] = path
    return videos


def prepare_video(task: Task) -> Record:
    """Find the faces of a video, cut them out, and write the clips to the staging folder."""
    detectors = [task.settings.detector.build(WORKING_SIZE) for _ in range(task.threads)]
    try:
        analysis = _analyse(task, detectors)
        planned, notes, interpolated = _plan_clips(task, analysis)
        clips = _write_clips(task, planned, analysis)
    except UserError as error:
        return Record(task.name, task.identity, notes=[Note(task.name, str(error))])
    if analysis.damage:
        notes.insert(0, Note(task.name, analysis.damage, len(analysis.frames), len(analysis.frames)))
    return Record(task.name, task.identity, clips, limit_notes(notes), interpolated)


@dataclass(frozen=True)
class _Analysis:
    """Result of the first pass over a video.

    Attributes:
        frames (list[list[Face]]): Faces of each frame.
        cuts (list[int]): Numbers of the first frames of new shots.
        height (int): Height of a frame in pixels.
        width (int): Width of a frame in square pixels.
        rate (Fraction): Frames per second.
        damage (str | None): What is wrong with the video after these frames.
    """

    frames: list[list[Face]]
    cuts: list[int]
    height: int
    width: int
    rate: Fraction
    damage: str | None


@dataclass(frozen=True)
class _PlannedClip:
    """A clip to write: a crop of the frames, the segment that it becomes, and the size of the clip."""

    segment: Segment
    crop: Crop
    width: int
    height: int

    def cut_out(self, frame: np.ndarray) -> np.ndarray:
        """Cut the crop out of a frame."""
        crop = self.crop
        part = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        if (self.width, self.height) == (crop.width, crop.height):
            return part
        return cv2.resize(part, (self.width, self.height), interpolation=cv2.INTER_AREA)


def _analyse(task: Task, detectors: Sequence[FaceDetector]) -> _Analysis:
    """First pass: faces and cuts of all frames up to the end or the damage."""
    shots, damage = ShotDetector(), None
    frames: list[list[Face]] = []
    in_progress: deque[Future[list[Face]]] = deque()
    with VideoReader(task.path) as reader, ThreadPoolExecutor(task.threads) as pool:
        try:
            for number, frame in enumerate(_square_pixels(reader)):
                shots.add(frame)
                # A detector has one frame at a time, and its next only when its last result has been taken.
                if len(in_progress) == task.threads:
                    frames.append(in_progress.popleft().result())
                    count_frame()
                in_progress.append(pool.submit(_measured_faces, detectors[number % task.threads], frame))
        except UserError as error:
            damage = f'what follows is lost: {error}'
        frames += [faces.result() for faces in in_progress]
        shots.finish()
        return _Analysis(frames, shots.cuts, *_square_size(reader), reader.rate, damage)


def _measured_faces(detector: FaceDetector, frame: np.ndarray) -> list[Face]:
    """Faces of a frame that can be aligned, with their sharpness."""
    faces = []
    for face in detector.detect(frame):
        try:
            faces.append(replace(face, sharpness=sharpness(frame, face.landmarks)))
        except ValueError:  # landmarks that coincide
            continue
    return faces


def _plan_clips(task: Task, analysis: _Analysis) -> tuple[list[_PlannedClip], list[Note], int]:
    """Clips to write, notes on what is skipped, and number of frames with interpolated landmarks."""
    settings = task.settings
    max_gap = max(round(settings.max_gap * analysis.rate), 1)
    tracks = track_faces(analysis.frames, analysis.cuts, max_gap)
    notes = [] if tracks else [Note(task.name, NO_FACE)]
    planned: list[_PlannedClip] = []
    interpolated = 0
    for person, track in enumerate(tracks):
        segments, complaints = cut_clip(task.name, track.landmarks, {}, settings.min_length, max_gap)
        notes += complaints
        for segment in segments:
            for crop in crop_face(segment.landmarks, segment.first, analysis.height, analysis.width):
                faces = track.faces[crop.first - track.first : crop.last - track.first + 1]
                fault = _fault(settings, crop, faces)
                if fault:
                    notes.append(Note(task.name, fault, crop.first, crop.last))
                else:
                    planned += _cut_evenly(task, crop, person)
                    interpolated += faces.count(None)
    return planned, notes, interpolated


def _fault(settings: VideoSettings, crop: Crop, faces: Sequence[Face | None]) -> str | None:
    """Why a crop does not make a clip, or None."""
    if len(faces) < settings.min_length:
        return f'a face stays within one crop for {len(faces)} frames only'
    if min(crop.width, crop.height) < settings.min_size:
        return f'the crop of a face has {crop.width}x{crop.height} pixels only'
    measured = np.median([face.sharpness for face in faces if face is not None])
    if measured < settings.sharpness:
        return f'a face is blurred, its sharpness {measured:.1f}'
    return None


def _cut_evenly(task: Task, crop: Crop, person: int) -> list[_PlannedClip]:
    """Clips of a crop, none longer than allowed."""
    scale = min(task.settings.size / min(crop.width, crop.height), 1)
    width, height = (max(2 * round(scale * side / 2), 2) for side in (crop.width, crop.height))
    landmarks = transform_points(crop.landmarks, resize_matrix(width / crop.width, height / crop.height))
    clips = []
    for part in np.array_split(np.arange(len(landmarks)), -(-len(landmarks) // task.settings.max_length)):
        first, last = crop.first + int(part[0]), crop.first + int(part[-1])
        name = f'{task.name}+P{person}+F{frame_name(first)}-{frame_name(last)}'
        clips.append(_PlannedClip(Segment(name, first, landmarks[part]), crop, width, height))
    return clips


def _write_clips(task: Task, planned: Sequence[_PlannedClip], analysis: _Analysis) -> list[Clip]:
    """Second pass: write the clips, each frame as it comes."""
    if not planned:
        return []
    staging = Path(task.staging)
    waiting = deque(sorted(planned, key=lambda clip: clip.segment.first))
    writing: list[tuple[_PlannedClip, FrameWriter | SeekableVideoWriter]] = []
    with VideoReader(task.path) as reader:
        for number, frame in zip(range(len(analysis.frames)), _square_pixels(reader)):
            while waiting and waiting[0].segment.first == number:
                clip = waiting.popleft()
                writing.append((clip, _writer(task.settings, staging, clip, analysis.rate)))
            for clip, writer in writing:
                writer.write(clip.cut_out(frame))
                if number == clip.segment.numbers[-1]:
                    writer.close()
            writing = [(clip, writer) for clip, writer in writing if number < clip.segment.numbers[-1]]
            count_frame()
            if not waiting and not writing:
                break
    for clip in planned:
        stage_landmarks(staging, clip.segment)
    return [Clip(clip.segment.name, len(clip.segment), clip.height, clip.width, clip.segment.first) for clip in planned]


def _writer(
    settings: VideoSettings, staging: Path, clip: _PlannedClip, rate: Fraction
) -> FrameWriter | SeekableVideoWriter:
    if settings.storage == 'video':
        path = staging / GT / f'{clip.segment.name}.mp4'
        return SeekableVideoWriter(path, rate, settings.crf, clip.width, clip.height)
    return FrameWriter(staging / GT / clip.segment.name, clip.segment.first)


def _videos_below(folder: Path) -> list[Path]:
    paths = [path for path in folder.rglob('*') if is_video_file(path.name)]
    return sorted(path for path in paths if not any(map(is_hidden, path.relative_to(folder).parts)))


def _square_pixels(reader: VideoReader) -> Iterator[np.ndarray]:
    """Frames of a video with square pixels."""
    height, width = _square_size(reader)
    for frame in reader.images():
        if width != frame.shape[1]:
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)
        yield frame


def _square_size(reader: VideoReader) -> tuple[int, int]:
    """Height and width of frames with square pixels."""
    return reader.height, max(round(reader.width * reader.pixel_aspect), 1)
