"""``basicsr prepare videos``: from ordinary video files to the folders that training reads.

A video is read twice: once to find shots and faces, once to cut out what was found.  Neither keeps more than a few
frames in memory.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from ..data.clips import Clip
from ..errors import UserError
from ..faces.alignment import align_to_template, resize_matrix, transform_points, warp
from ..faces.detection import DetectorChoice
from ..faces.tracks import Crop, crops_of, follow_faces
from ..video import VideoReader
from ..video.seeking import VIDEO_SUFFIXES
from .layout import GT, Layout, Record
from .pieces import NO_FACE, Note, Piece, bounded, cut, frame_name
from .running import Failure, count_frame, run_tasks
from .shots import ShotFinder
from .sources import is_plain_name
from .splits import assign
from .staging import ClipEncoder, FrameWriter, stage_landmarks
from .summary import Summary

__all__ = ['VideoSettings', 'find_videos', 'prepare_videos', 'sharpness']

WORKING_SIZE = 512
# Sharpness is measured on faces aligned to this many pixels.
SHARPNESS_SIZE = 256


@dataclass(frozen=True)
class VideoSettings:
    """How clips are cut out of videos.

    Attributes:
        detector (DetectorChoice): Finds faces.
        storage (str): One of `staging.STORAGES`.
        crf (int): Of stored videos.
        size, min_size (int): Bounds of a crop's shorter side in pixels; crops above are shrunk, those below left out.
        min_length, max_length (int): Of clips in frames; shorter ones are left out, longer ones cut evenly.
        sharpness (float): Clips of a lower median `sharpness` are left out.
        max_gap (float): Seconds for which a face may be gone; its landmarks are then interpolated.
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
    """A video to cut up."""

    path: str
    name: str
    identity: str
    settings: VideoSettings
    staging: str
    threads: int


def prepare_videos(sources, root, settings, options, identity='file', val_share=0.02, seed=0, workers=1):
    """Cut clips of faces out of videos.

    Args:
        sources (list): Video files, and folders with videos below them.
        root (str | Path): The folder to make, or to go on with.
        settings (VideoSettings): How.
        options (dict): All that the result depends on, to compare with what an earlier run was told.
        identity (str): 'file' or 'folder': what stands for a person.
        val_share (float): About this share of identities is held out.
        seed (int): Other seeds hold out others.
        workers (int): Processes; where there are fewer videos, each gets several threads to detect with.

    Returns:
        Summary

    Raises:
        UserError: A source is missing, there is no video, ``root`` holds something else, or the disk is full.
    """
    videos = find_videos(sources)
    identities = {name: str(path.parent.absolute()) if identity == 'folder' else name for name, path in videos.items()}
    splits = assign(identities.values(), val_share, seed)
    notes = []
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


def find_videos(sources):
    """Video files, {name: path}: files that were named, and those below folders that were.

    A video's name is its file's without suffix; where several share it, with the folder's before it.

    Raises:
        UserError: A source is missing, or there is no video.
    """
    paths = []
    for source in map(Path, sources):
        if source.is_dir():
            paths += sorted(
                path
                for path in source.rglob('*')
                if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith('.')
            )
        elif source.is_file():
            paths.append(source)
        else:
            raise UserError(f'SRC: there is no video or folder {source}')
    if not paths:
        raise UserError(f'SRC: no video below {", ".join(map(str, sources))}; looked for {", ".join(VIDEO_SUFFIXES)}')
    paths = list(dict.fromkeys(path.absolute() for path in paths))
    stems = [path.stem for path in paths]
    videos = {}
    for path in paths:
        name = path.stem if stems.count(path.stem) == 1 else f'{path.parent.name}_{path.stem}'
        name = name if is_plain_name(name) else 'video_' + ''.join(filter(str.isalnum, name))
        while name in videos:
            name += '_'
        videos[name] = path
    return videos


def prepare_video(task):
    """Find the faces of a video, cut them out, and write them to the staging folder.

    Returns:
        Record
    """
    detectors = [task.settings.detector.build(WORKING_SIZE) for _ in range(task.threads)]
    try:
        found = _find_faces(task, detectors)
        chosen, notes, interpolated = _choose(task, found)
        clips = _write(task, chosen, found)
    except UserError as error:
        return Record(task.name, task.identity, notes=[Note(task.name, str(error))])
    if found.damage:
        notes.insert(0, Note(task.name, found.damage, len(found.frames), len(found.frames)))
    return Record(task.name, task.identity, clips, bounded(notes), interpolated)


def sharpness(frame, landmarks):
    """How sharp a face is: variance of the Laplacian of the inner face, aligned to 256 pixels, in grey levels.

    Small faces are enlarged for it, so that it also tells of size: the face of a sharp close-up has some hundreds, one
    of 50 pixels about 30, and one of 300 pixels that is out of focus or heavily compressed about 10.

    Args:
        frame (ndarray): (H, W, 3) uint8 RGB.
        landmarks (ndarray): (5, 2) in pixels.
    """
    face = warp(frame, align_to_template(landmarks, SHARPNESS_SIZE), SHARPNESS_SIZE)
    inner = face[SHARPNESS_SIZE // 4 : -SHARPNESS_SIZE // 8, SHARPNESS_SIZE // 5 : -SHARPNESS_SIZE // 5]
    return float(cv2.Laplacian(cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


@dataclass(frozen=True)
class _Found:
    """What the first pass found: faces of each frame, first frames of new shots, size and rate, and what went wrong."""

    frames: list
    cuts: list
    height: int
    width: int
    rate: Fraction
    damage: str | None


@dataclass(frozen=True)
class _Cutting:
    """A clip to write: a crop of the picture, the piece that it becomes, and the size of that."""

    piece: Piece
    crop: Crop
    width: int
    height: int

    def of(self, frame):
        """The crop of a frame."""
        crop = self.crop
        part = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
        if (self.width, self.height) == (crop.width, crop.height):
            return part
        return cv2.resize(part, (self.width, self.height), interpolation=cv2.INTER_AREA)


def _find_faces(task, detectors):
    """First pass: faces and cuts of all frames up to the end or the damage."""
    shots, frames, under_way, damage = ShotFinder(), [], deque(), None
    with VideoReader(task.path) as reader, ThreadPoolExecutor(task.threads) as pool:
        try:
            for number, frame in enumerate(_square_pixels(reader)):
                shots.add(frame)
                # A detector has one frame at a time, its next only when its last has been fetched.
                if len(under_way) == task.threads:
                    frames.append(under_way.popleft().result())
                    count_frame()
                under_way.append(pool.submit(_measured_faces, detectors[number % task.threads], frame))
        except UserError as error:
            damage = f'what follows is lost: {error}'
        frames += [faces.result() for faces in under_way]
        shots.finish()
        return _Found(frames, shots.cuts, *_square_size(reader), reader.rate, damage)


def _measured_faces(detector, frame):
    """Faces of a frame that can be aligned, with their sharpness."""
    faces = []
    for face in detector.detect(frame):
        try:
            faces.append(replace(face, sharpness=sharpness(frame, face.landmarks)))
        except ValueError:  # landmarks that coincide
            continue
    return faces


def _choose(task, found):
    """Clips to write, notes on what is left out, and number of frames with landmarks interpolated."""
    settings = task.settings
    max_gap = max(round(settings.max_gap * found.rate), 1)
    tracks = follow_faces(found.frames, found.cuts, max_gap)
    notes = [] if tracks else [Note(task.name, NO_FACE)]
    chosen, interpolated = [], 0
    for person, track in enumerate(tracks):
        pieces, complaints = cut(task.name, track.landmarks, {}, settings.min_length, max_gap)
        notes += complaints
        for piece in pieces:
            for crop in crops_of(piece.landmarks, piece.first, found.height, found.width):
                faces = track.faces[crop.first - track.first : crop.last - track.first + 1]
                fault = _fault(settings, crop, faces)
                if fault:
                    notes.append(Note(task.name, fault, crop.first, crop.last))
                else:
                    chosen += _cut_evenly(task, crop, person)
                    interpolated += faces.count(None)
    return chosen, notes, interpolated


def _fault(settings, crop, faces):
    """Why a crop is no clip, or None."""
    if len(faces) < settings.min_length:
        return f'a face stays within one crop for {len(faces)} frames only'
    if min(crop.width, crop.height) < settings.min_size:
        return f'the crop of a face has {crop.width}x{crop.height} pixels only'
    measured = np.median([face.sharpness for face in faces if face is not None])
    if measured < settings.sharpness:
        return f'a face is blurred, its sharpness {measured:.1f}'
    return None


def _cut_evenly(task, crop, person):
    """A crop's clips, none longer than allowed."""
    scale = min(task.settings.size / min(crop.width, crop.height), 1)
    width, height = (max(2 * round(scale * side / 2), 2) for side in (crop.width, crop.height))
    landmarks = transform_points(crop.landmarks, resize_matrix(width / crop.width, height / crop.height))
    clips = []
    for part in np.array_split(np.arange(len(landmarks)), -(-len(landmarks) // task.settings.max_length)):
        first, last = crop.first + int(part[0]), crop.first + int(part[-1])
        piece = Piece(f'{task.name}+P{person}+F{frame_name(first)}-{frame_name(last)}', first, landmarks[part])
        clips.append(_Cutting(piece, crop, width, height))
    return clips


def _write(task, cuttings, found):
    """Second pass: write the clips, each frame as it comes."""
    staging = Path(task.staging)
    starting = deque(sorted(cuttings, key=lambda cutting: cutting.piece.first))
    writing = []
    if not cuttings:
        return []
    with VideoReader(task.path) as reader:
        for number, frame in zip(range(len(found.frames)), _square_pixels(reader)):
            while starting and starting[0].piece.first == number:
                cutting = starting.popleft()
                writing.append((cutting, _writer(task.settings, staging, cutting, found.rate)))
            for cutting, writer in writing:
                writer.write(cutting.of(frame))
                if number == cutting.piece.numbers[-1]:
                    writer.close()
            writing = [(cutting, writer) for cutting, writer in writing if number < cutting.piece.numbers[-1]]
            count_frame()
            if not starting and not writing:
                break
    for cutting in cuttings:
        stage_landmarks(staging, cutting.piece)
    return [
        Clip(cutting.piece.name, len(cutting.piece), cutting.height, cutting.width, cutting.piece.first)
        for cutting in cuttings
    ]


def _writer(settings, staging, cutting, rate):
    if settings.storage == 'video':
        path = staging / GT / f'{cutting.piece.name}.mp4'
        return ClipEncoder(path, Fraction(rate), settings.crf, cutting.width, cutting.height)
    return FrameWriter(staging / GT / cutting.piece.name, cutting.piece.first)


def _square_pixels(reader):
    """Frames of a video with pixels as wide as they are high."""
    height, width = _square_size(reader)
    for frame in reader:
        if width != frame.shape[1]:
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)
        yield frame


def _square_size(reader):
    """Height and width of such frames."""
    return reader.height, max(round(reader.width * reader.pixel_aspect), 1)
