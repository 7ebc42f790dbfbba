import hashlib
import os
import signal
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pgtf_basicsr.data import VFHQDataset
from pgtf_basicsr.data.clips import read_landmarks
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import face_template
from pgtf_basicsr.faces.transforms import transform_points
from pgtf_basicsr.images import read_image
from pgtf_basicsr.samples.portraits import FacePath, portraits
from pgtf_basicsr.samples.sample_data import write_sample_data, write_video_data

from ..helpers.processes import CONTEXT

SMALL = {'clips': 1, 'test_clips': 1, 'clip_frames': 3, 'size': 32, 'video_size': 32}


def digests(root):
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write_video(path, num_frames, width=64, height=48):
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        for index in range(num_frames):
            frame = np.full((height, width, 3), 20 + 10 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        container.mux(stream.encode(None))


def test_layout_and_summary(sample_root):
    frames = sorted((sample_root / 'train/GT/collins_000').iterdir())
    assert [path.name for path in frames] == [f'{index:08d}.png' for index in range(8)]
    assert read_image(frames[0]).shape == (64, 64, 3)
    assert sorted(path.name for path in (sample_root / 'test/landmarks').iterdir()) == [
        'collins_000.txt',
        'hopper_001.txt',
    ]
    for kind in ('aligned', 'degraded'):
        with av.open(str(sample_root / 'test' / kind / 'hopper_001.mp4')) as container:
            frames = list(container.decode(video=0))
        assert len(frames) == 8 and (frames[0].height, frames[0].width) == (32, 32)
    assert not list(sample_root.glob('.*'))


def test_the_same_arguments_give_the_same_files(tmp_path):
    summaries = [write_sample_data(tmp_path / name, **SMALL) for name in 'ab']
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')
    assert (summaries[0].train_clips, summaries[0].test_clips, summaries[0].clip_frames) == (1, 1, 3)
    assert summaries[0].degraded_video.is_file()
    before = digests(tmp_path / 'a')
    write_sample_data(tmp_path / 'a', seed=1, **SMALL)
    assert not set(before.values()) & set(digests(tmp_path / 'a').values())


def write_until_killed(root, moves):
    """Write sample data, and be killed when so many folders have got to their place."""
    rename, done = Path.rename, []

    def move(path, target):
        if len(done) == moves:
            os.kill(os.getpid(), signal.SIGKILL)
        done.append(rename(path, target))

    Path.rename = move
    write_sample_data(root, **SMALL)


def test_a_killed_call_does_not_block_the_next(tmp_path):
    # In a new folder, then in one of sample data whose other half is still the earlier one's.
    for moves in (0, 1):
        process = CONTEXT.Process(target=write_until_killed, args=(tmp_path / 'data', moves))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    for name in ('data', 'fresh'):
        write_sample_data(tmp_path / name, **SMALL)
    assert digests(tmp_path / 'data') == digests(tmp_path / 'fresh')


def test_held_out_clips_move_otherwise(sample_root):
    train, test = (read_landmarks(sample_root / split / 'landmarks/collins_000.txt') for split in ('train', 'test'))
    steps = [np.diff(list(landmarks.values()), axis=0) for landmarks in (train, test)]
    assert np.abs(steps[0] - steps[1]).max() > 0.1
    train, test = (digests(sample_root / split / 'GT') for split in ('train', 'test'))
    assert not set(train.values()) & set(test.values())


def test_landmarks_follow_the_known_path_and_the_deformation():
    face = portraits()[0]
    rigid = FacePath(face.landmarks, 128, np.random.default_rng(3), deformation=0)
    for time in (0, 0.4, 1):
        expected = transform_points(face.landmarks, rigid.similarity(time))
        assert np.allclose(rigid.landmarks_at(time), expected)
    path = FacePath(face.landmarks, 128, np.random.default_rng(3), deformation=0.1)
    moved = path.landmarks_at(0.4) - transform_points(face.landmarks, path.similarity(0.4))
    assert np.abs(moved[3:]).min(axis=0)[1] > 1
    assert np.abs(moved[:2]).max() < 0.5 * np.abs(moved[3:]).max()


def test_landmarks_lie_on_what_they_mark():
    """A mark painted on the photograph appears in the frames where the landmarks say."""
    face = portraits()[1]
    path = FacePath(face.landmarks, 128, np.random.default_rng(0), deformation=0.05)
    for index, point in enumerate(face.landmarks):
        photo = np.zeros_like(face.photo)
        cv2.circle(photo, np.round(point).astype(int).tolist(), 14, (255, 255, 255), -1)
        frame = path.render(photo, 0.7)[..., 0].astype(float)
        y, x = np.mgrid[:128, :128]
        seen = np.array([(frame * x).sum(), (frame * y).sum()]) / frame.sum()
        assert np.allclose(seen, path.landmarks_at(0.7)[index], atol=0.5)


def test_paths_are_smooth_and_stay_near_the_middle():
    for face in portraits():
        for seed in range(5):
            path = FacePath(face.landmarks, 96, np.random.default_rng(seed))
            places = np.array([path.landmarks_at(time) for time in np.linspace(0, 1, 24)])
            assert places.min() > 10 and places.max() < 86
            assert np.linalg.norm(np.diff(places, axis=0), axis=-1).max() < 3
            assert np.abs(places - (face_template(64) + 16)).max() < 20


def test_other_folders_are_not_overwritten(tmp_path):
    (tmp_path / 'notes.txt').write_text('mine')
    with pytest.raises(UserError, match='not empty'):
        write_sample_data(tmp_path, **SMALL)
    with pytest.raises(UserError, match='is a file'):
        write_sample_data(tmp_path / 'notes.txt', **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ['notes.txt']


def test_a_run_that_fails_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    monkeypatch.setattr('pgtf_basicsr.samples.sample_data._write_test_videos', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_sample_data(tmp_path / 'data', **SMALL)
    assert not list((tmp_path / 'data').iterdir())


@pytest.mark.parametrize('options', [{'clips': 0}, {'clip_frames': -1}, {'video_size': 33}, {'size': '64'}])
def test_impossible_numbers_are_named(tmp_path, options):
    with pytest.raises(UserError, match=next(iter(options))):
        write_sample_data(tmp_path / 'data', **{**SMALL, **options})


def test_a_video_becomes_clips_with_its_end_held_out(tmp_path):
    write_video(tmp_path / 'face.mp4', 17)
    summary = write_video_data(tmp_path / 'data', tmp_path / 'face.mp4', clip_frames=4, size=32, video_size=32)
    assert (summary.train_clips, summary.test_clips, summary.clip_frames) == (3, 1, 4)
    assert [path.name for path in (tmp_path / 'data/test/GT').iterdir()] == ['face_003']
    frame = read_image(tmp_path / 'data/test/GT/face_003/00000000.png')
    assert frame.shape == (32, 32, 3) and np.allclose(frame, 140, atol=3)
    dataset = VFHQDataset({'name': 'own', 'phase': 'train', 'gt_size': 32, 'dataroot_gt': tmp_path / 'data/train/GT'})
    assert dataset[0]['gt'].shape == (3, 3, 32, 32)


def test_videos_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / 'broken.mp4').write_bytes(b'no video at all')
    write_video(tmp_path / 'short.mp4', 7)
    for name, complaint in (
        ('broken', 'broken.mp4 is not a video'),
        ('absent', 'absent.mp4'),
        ('short', 'short.mp4 has 7 frames; two clips of 4'),
    ):
        with pytest.raises(UserError, match=complaint):
            write_video_data(tmp_path / 'data', tmp_path / f'{name}.mp4', clip_frames=4, size=32)
