"""A small dataset in the VFHQ layout, without a download: for the quickstart and for tests.

Two public-domain portraits move along smooth paths that are known exactly, or a user's own video is cut into clips.
The folder holds

    ROOT/train/GT/<clip>/00000000.png ...   frames
    ROOT/train/landmarks/<clip>.txt         landmarks (of the portraits only)
    ROOT/test/GT, ROOT/test/landmarks       held-out clips: other paths, or the end of the video
    ROOT/test/aligned/<clip>.mp4            the held-out face as a video, the ground truth of
    ROOT/test/degraded/<clip>.mp4           the same degraded, input for `basicsr restore`
    ROOT/test/two_faces.mp4                 both portraits in one degraded frame (of the portraits only)
    ROOT/sample_data.json                   what was asked for
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from ..data.clips import frame_name, write_landmarks
from ..data.degradation import Degradation, DegradationRanges
from ..data.vfhq_dataset import VFHQDataset
from ..errors import UserError
from ..faces.transforms import centre_square, warp
from ..files import list_visible
from ..images import to_image, write_image
from ..video import VideoReader, VideoWriter
from .portraits import FacePath, portraits
from .sample_folder import replacing_data, require_even, require_positive
from .scenes import two_faces

__all__ = ['SAMPLE_DEGRADATION', 'SampleSummary', 'write_sample_data', 'write_video_data']

# Eq. 8 for faces of 48 pixels.
SAMPLE_DEGRADATION = DegradationRanges(sigma=(0.5, 1.5), scale=(2, 3))
# For those of 96 pixels, which are still to be found.
SCENE_DEGRADATION = DegradationRanges(sigma=(1, 2), scale=(3, 4))
FRAME_RATE = Fraction(25)
SCENE_FRAMES = 50


@dataclass(frozen=True)
class SampleSummary:
    """What was written.

    Attributes:
        root (Path): The folder.
        train_clips (int): Clips to train on.
        test_clips (int): Clips held out.
        clip_frames (int): Frames of a clip.
        degraded_video (Path): A degraded video to restore.
    """

    root: Path
    train_clips: int
    test_clips: int
    clip_frames: int
    degraded_video: Path


def write_sample_data(
    root: str | Path,
    clips: int = 32,
    test_clips: int = 4,
    clip_frames: int = 24,
    size: int = 128,
    video_size: int = 64,
    seed: int = 0,
) -> SampleSummary:
    """Write the dataset of moving portraits.

    Args:
        root (str | Path): Folder to make. One that holds sample data is replaced.
        clips (int): Clips to train on, the portraits in turn.
        test_clips (int): Clips held out.
        clip_frames (int): Frames of a clip.
        size (int): Side of the frames in pixels. The aligned face takes two thirds of it.
        video_size (int): Side of the aligned videos in pixels, even.
        seed (int): Other seeds give other paths and degradations.

    Raises:
        UserError: ``root`` holds something else, or a number is too small.
    """
    require_positive(clips=clips, test_clips=test_clips, clip_frames=clip_frames, size=size, video_size=video_size)
    require_even(video_size=video_size)
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
        _write_scene(partial / 'test' / 'two_faces.mp4', seed)
    return _summary(root)


def write_video_data(
    root: str | Path,
    video: str | Path,
    clip_frames: int = 24,
    size: int = 128,
    video_size: int = 64,
    test_share: float = 0.2,
    max_frames: int = 2400,
    seed: int = 0,
) -> SampleSummary:
    """Write a dataset from a video of one face: its centre square, cut into clips, the last ones held out.

    It has no landmarks: the dataset then takes the whole square as the aligned face.

    Args:
        root (str | Path): Folder to make. One that holds sample data is replaced.
        video (str | Path): Video to read.
        clip_frames (int): Frames of a clip. What remains at the end of the video is skipped.
        size (int): Side of the frames in pixels.
        video_size (int): Side of the aligned videos in pixels, even.
        test_share (float): Share of the clips that is held out, rounded up.
        max_frames (int): Frames to read from the start of the video.
        seed (int): Other seeds give other degradations.

    Raises:
        UserError: ``root`` holds something else, or the video cannot be read or is shorter than two clips.
    """
    require_positive(clip_frames=clip_frames, size=size, video_size=video_size, max_frames=max_frames)
    require_even(video_size=video_size)
    with replacing_data(root, source=str(video), size=size, clip_frames=clip_frames, seed=seed) as partial:
        stem = Path(video).stem
        names: list[str] = []
        frames: list[np.ndarray] = []
        with VideoReader(video) as reader:
            for frame in islice(reader.images(), max_frames):
                frames.append(warp(frame, centre_square(reader.height, reader.width, size), size))
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


def _write_clip(
    split: Path, name: str, frames: Sequence[np.ndarray], landmarks: Sequence[np.ndarray] | None = None
) -> None:
    folder = split / 'GT' / name
    folder.mkdir(parents=True)
    stems = list(map(frame_name, range(len(frames))))
    for stem, frame in zip(stems, frames):
        write_image(folder / f'{stem}.png', frame)
    if landmarks is not None:
        (split / 'landmarks').mkdir(exist_ok=True)
        write_landmarks(split / 'landmarks' / f'{name}.txt', dict(zip(stems, landmarks)))


def _write_test_videos(test: Path, size: int, seed: int) -> None:
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
    for clip in map(clips.__getitem__, range(len(clips))):
        for key, folder in (('gt', 'aligned'), ('lq', 'degraded')):
            (test / folder).mkdir(exist_ok=True)
            _write_video(test / folder / f'{clip["folder"]}.mp4', to_image(clip[key]))


def _write_scene(path: Path, seed: int) -> None:
    scene = two_faces(SCENE_FRAMES)
    frames = np.stack([scene.frame(number) for number in range(scene.length)])
    _write_video(path, Degradation(SCENE_DEGRADATION)(frames, np.random.default_rng(seed)))


def _write_video(path: Path, frames: np.ndarray) -> None:
    """Write frames (T, H, W, 3) with a low rate factor, so that degradation shows and not this file's compression."""
    height, width = frames.shape[1:3]
    with VideoWriter(path, FRAME_RATE, width, height, crf=8) as writer:
        for frame in frames:
            writer.write(frame)


def _summary(root: str | Path) -> SampleSummary:
    root = Path(root)
    train, test = (list_visible(root / split / 'GT') for split in ('train', 'test'))
    num_frames = len(list_visible(root / 'train' / 'GT' / train[0]))
    return SampleSummary(root, len(train), len(test), num_frames, root / 'test' / 'degraded' / f'{test[0]}.mp4')
