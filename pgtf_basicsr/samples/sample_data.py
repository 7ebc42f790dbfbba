"""A small data set in the VFHQ layout, without a download: for the quickstart and for tests.

Two public-domain portraits, which scikit-image and Matplotlib carry, move along smooth paths that are known
exactly; or a user's own video is cut into clips.  Both give

    ROOT/train/GT/<clip>/00000000.png ...   frames
    ROOT/train/landmarks/<clip>.txt         landmarks (of the portraits only)
    ROOT/test/GT, ROOT/test/landmarks       held-out clips: other paths, or the end of the video
    ROOT/test/aligned/<clip>.mp4            the held-out face as a video, the ground truth of
    ROOT/test/degraded/<clip>.mp4           the same degraded, input for `basicsr restore`
    ROOT/sample_data.json                   what was asked for
"""

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from ..data.checks import require
from ..data.clips import read_frame, write_frame, write_landmarks
from ..data.degradation import DegradationRanges
from ..data.vfhq_dataset import VFHQDataset
from ..errors import UserError
from ..faces.alignment import (
    align_to_template,
    centre_square,
    compose,
    move_about_centre,
    resize_matrix,
    transform_points,
    warp,
)
from ..images import to_image
from ..video import VideoReader, VideoWriter

# Eq. 8 for faces of 48 pixels.
SAMPLE_DEGRADATION = DegradationRanges(sigma=(0.5, 1.5), scale=(2, 3))
FRAME_RATE = Fraction(25)

_MARKER = 'sample_data.json'
# Share of a frame's side that the aligned face takes, so that there is picture around it to move in.
_FACE_SHARE = 2 / 3


@dataclass(frozen=True)
class SampleSummary:
    """What was written: the folder, clips of each split, frames of a clip, one degraded video to restore."""

    root: Path
    train_clips: int
    test_clips: int
    clip_frames: int
    degraded_video: Path


@dataclass(frozen=True)
class Portrait:
    """A photograph (H, W, 3) uint8 RGB and its five landmarks (5, 2), marked by hand."""

    name: str
    photo: np.ndarray
    landmarks: np.ndarray


class FacePath:
    """A smooth path of a portrait through a clip; every position follows from the generator ``rng``.

    Shift, rotation, logarithm of the zoom, and strength of the deformation are sums of two sines of time.
    The deformation moves the neighbourhood of the mouth up and down.

    Args:
        landmarks: five landmarks (5, 2) of the photograph.
        size: side of the frames in pixels.
        shift: largest shift along x and y, as a fraction of the aligned face's side.
        rotation: largest turn either way, in degrees.
        zoom: largest zoom; 1 / zoom is the smallest.
        deformation: largest displacement of the mouth, as a fraction of the aligned face's side.
    """

    def __init__(self, landmarks, size, rng, shift=0.03, rotation=3, zoom=1.04, deformation=0.02):
        self.size = size
        self.landmarks = landmarks
        face_size = size * _FACE_SHARE
        margin = (size - face_size) / 2
        to_middle = np.array([[1, 0, margin], [0, 1, margin]])
        self._rest = compose(to_middle, align_to_template(landmarks, face_size))
        photo_per_pixel = 1 / np.sqrt(np.linalg.det(self._rest[:, :2]))
        self._mouth = landmarks[3:].mean(axis=0)
        self._mouth_radius = 0.16 * face_size * photo_per_pixel
        self._swings = {
            'x': _Swing(rng, shift * face_size),
            'y': _Swing(rng, shift * face_size),
            'degrees': _Swing(rng, rotation),
            'log_zoom': _Swing(rng, np.log(zoom)),
            'mouth': _Swing(rng, deformation * face_size * photo_per_pixel),
        }

    def similarity(self, time):
        """Transform from the photograph to the frame at ``time`` in [0, 1], deformation aside."""
        x, y, degrees, log_zoom = (self._swings[name](time) for name in ('x', 'y', 'degrees', 'log_zoom'))
        return compose(move_about_centre(self.size, np.exp(log_zoom), degrees, (x, y)), self._rest)

    def landmarks_at(self, time):
        """Landmarks (5, 2) in the frame at ``time``."""
        return self.points_at(self.landmarks, time)

    def points_at(self, points, time):
        """Points (N, 2) of the photograph in the frame at ``time``."""
        # The frame shows at transform(q) the photograph's q + d(q); a point p is where q + d(q) = p.
        resting = points
        for _ in range(12):
            resting = points - self._displacement(resting, time)
        return transform_points(resting, self.similarity(time))

    def render(self, photo, time):
        """Frame (size, size, 3) uint8 RGB at ``time``, drawn at twice the size and averaged."""
        double = 2 * self.size
        to_photo = cv2.invertAffineTransform(compose(resize_matrix(2, 2), self.similarity(time)))
        shrink = max(int(np.sqrt(np.linalg.det(to_photo[:, :2]))), 1)
        height, width = photo.shape[:2]
        small = cv2.resize(photo, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
        grid = np.stack(np.meshgrid(np.arange(double), np.arange(double)), axis=-1).astype(np.float32)
        points = transform_points(grid, to_photo.astype(np.float32))
        points += self._displacement(points, time)
        to_small = resize_matrix(small.shape[1] / width, small.shape[0] / height)
        points = transform_points(points, to_small).astype(np.float32)
        frame = cv2.remap(small, points, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return cv2.resize(frame, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def _displacement(self, points, time):
        distance = np.square(points - self._mouth).sum(axis=-1) / self._mouth_radius**2
        up = self._swings['mouth'](time) * np.exp(-0.5 * distance)
        return np.stack([np.zeros_like(up), up], axis=-1)


def write_sample_data(root, clips=32, test_clips=4, clip_frames=24, size=128, video_size=64, seed=0):
    """Write the data set of moving portraits.

    Args:
        root: folder to make; one that this function or `write_video_data` made is replaced.
        clips, test_clips: clips of each split, the portraits in turn.
        clip_frames: frames of a clip.
        size: side of the frames in pixels; the aligned face takes two thirds of it.
        video_size: side of the aligned videos in pixels.
        seed: other seeds give other paths and degradations.

    Returns:
        SampleSummary

    Raises:
        UserError: ``root`` holds something else, or a number is too small.
    """
    _require_positive(clips=clips, test_clips=test_clips, clip_frames=clip_frames, size=size, video_size=video_size)
    faces = portraits()
    with replacing_data(root, source='portraits', size=size, clip_frames=clip_frames, seed=seed) as partial:
        for split_index, (split, count) in enumerate((('train', clips), ('test', test_clips))):
            for index in range(count):
                face = faces[index % len(faces)]
                rng = np.random.default_rng((seed, split_index, index))
                path = FacePath(face.landmarks, size, rng)
                times = np.linspace(0, 1, clip_frames)
                frames = [path.render(face.photo, time) for time in times]
                landmarks = [path.landmarks_at(time) for time in times]
                _write_clip(partial / split, f'{face.name}_{index:03d}', frames, landmarks)
        _write_test_videos(partial / 'test', video_size, seed)
    return _summary(root)


def write_video_data(root, video, clip_frames=24, size=128, video_size=64, test_share=0.2, max_frames=2400, seed=0):
    """Write a data set from a video of one face: its centre square, cut into clips, the last ones held out.

    There are no landmarks: the data set then takes the whole square for the aligned face.

    Args:
        root, size, video_size, seed: as in `write_sample_data`.
        video: file to read.
        clip_frames: frames of a clip; what remains at the end of the video is left out.
        test_share: share of the clips that is held out, rounded up.
        max_frames: frames to read from the start of the video.

    Returns:
        SampleSummary

    Raises:
        UserError: ``root`` holds something else, or the video cannot be read or is shorter than two clips.
    """
    _require_positive(clip_frames=clip_frames, size=size, video_size=video_size, max_frames=max_frames)
    with replacing_data(root, source=str(video), size=size, clip_frames=clip_frames, seed=seed) as partial:
        stem = Path(video).stem
        names, frames = [], []
        with VideoReader(video) as reader:
            for frame in islice(reader, max_frames):
                frames.append(warp(frame, centre_square(*frame.shape[:2], size), size))
                if len(frames) == clip_frames:
                    names.append(f'{stem}_{len(names):03d}')
                    _write_clip(partial / 'train', names[-1], frames)
                    frames = []
        if len(names) < 2:
            raise UserError(
                f'video {video} has {len(names) * clip_frames + len(frames)} frames; '
                f'two clips of {clip_frames} are needed'
            )
        held_out = min(int(np.ceil(test_share * len(names))), len(names) - 1)
        (partial / 'test' / 'GT').mkdir(parents=True)
        for name in names[-held_out:]:
            (partial / 'train' / 'GT' / name).rename(partial / 'test' / 'GT' / name)
        _write_test_videos(partial / 'test', video_size, seed)
    return _summary(root)


def portraits():
    """The two portraits: Eileen Collins (in scikit-image) and Grace Hopper (in Matplotlib), public domain."""
    # Nothing else needs these two, and the package is imported by every command.
    import matplotlib.cbook
    import skimage

    return [
        Portrait(
            'collins',
            read_frame(Path(skimage.__file__).parent / 'data' / 'astronaut.png'),
            np.array([(203.4, 100.8), (246.8, 103.0), (225.0, 125.0), (205.2, 139.8), (243.3, 140.8)]),
        ),
        Portrait(
            'hopper',
            read_frame(matplotlib.cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)),
            np.array([(223.0, 190.0), (307.0, 186.0), (268.0, 237.5), (231.3, 280.0), (307.0, 278.8)]),
        ),
    ]


class _Swing:
    """A smooth function of time in [0, 1] with values in [-amplitude, amplitude]."""

    def __init__(self, rng, amplitude):
        share = rng.uniform(0.3, 0.7)
        self._amplitudes = amplitude * np.array([share, 1 - share])
        self._cycles = rng.uniform([0.15, 0.4], [0.4, 0.8])
        self._phases = rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, time):
        return float(self._amplitudes @ np.sin(2 * np.pi * self._cycles * time + self._phases))


def _write_clip(split, name, frames, landmarks=None):
    folder = split / 'GT' / name
    folder.mkdir(parents=True)
    stems = [f'{index:08d}' for index in range(len(frames))]
    for stem, frame in zip(stems, frames):
        write_frame(folder / f'{stem}.png', frame)
    if landmarks is not None:
        (split / 'landmarks').mkdir(exist_ok=True)
        write_landmarks(split / 'landmarks' / f'{name}.txt', dict(zip(stems, landmarks)))


def _write_test_videos(test, size, seed):
    """Write each held-out clip as the videos that validation with the same seed would make of it."""
    landmarks = test / 'landmarks'
    clips = VFHQDataset(
        {
            'name': 'held-out clips',
            'phase': 'test',
            'dataroot_gt': test / 'GT',
            'dataroot_landmarks': landmarks if landmarks.exists() else None,
            'gt_size': size,
            'degradation': SAMPLE_DEGRADATION,
            'seed': seed,
        }
    )
    for clip in clips:
        for key, folder in (('gt', 'aligned'), ('lq', 'degraded')):
            (test / folder).mkdir(exist_ok=True)
            frames = to_image(clip[key])
            # A low rate factor: what is to be seen is the degradation, not this file's own compression.
            with VideoWriter(test / folder / f'{clip["folder"]}.mp4', FRAME_RATE, size, size, crf=8) as writer:
                for frame in frames:
                    writer.write(frame)


@contextmanager
def replacing_data(root, **description):
    """A folder to write into, whose content becomes that of ``root`` only when all of it has been written."""
    root = Path(root)
    marker, partial = root / _MARKER, root / '.partial'
    if root.exists() and not root.is_dir():
        raise UserError(f'{root} is a file; the sample data need a folder')
    if root.exists() and not marker.exists() and any(entry != partial for entry in root.iterdir()):
        raise UserError(f'{root} is not empty and holds no sample data; name a new or empty folder')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        marker.unlink(missing_ok=True)
        for split in ('train', 'test'):
            shutil.rmtree(root / split, ignore_errors=True)
            (partial / split).rename(root / split)
        marker.write_text(json.dumps(description, indent=2) + '\n')
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _summary(root):
    root = Path(root)
    train, test = (sorted((root / split / 'GT').iterdir()) for split in ('train', 'test'))
    return SampleSummary(
        root, len(train), len(test), len(list(train[0].iterdir())), root / 'test' / 'degraded' / f'{test[0].name}.mp4'
    )


def _require_positive(**counts):
    for name, value in counts.items():
        require(
            isinstance(value, int) and value > 0,
            'sample data',
            f'{name} is {value!r}; it must be a whole number from 1 on',
        )
    require(counts['video_size'] % 2 == 0, 'sample data', f'video_size is {counts["video_size"]}; it must be even')
