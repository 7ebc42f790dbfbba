import shutil
from fractions import Fraction

import cv2
import numpy as np
import pytest

from pgtf_basicsr.data import VFHQDataset
from pgtf_basicsr.data.clips import read_landmarks, read_meta_info
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import align_to_template, face_template
from pgtf_basicsr.faces.transforms import transform_points, warp
from pgtf_basicsr.images import read_image
from pgtf_basicsr.preparation.checking import check_layout
from pgtf_basicsr.preparation.videos import find_videos
from pgtf_basicsr.video import VideoWriter

from ..helpers.downloads import frames_of, report, tree

SIDE = 128
SMALL = ('--min-size', 60, '--min-length', 6, '--sharpness', 5, '--workers', 1)


def write_video(path, frames, rate=25):
    height, width = frames[0].shape[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, Fraction(rate), width, height) as writer:
        for frame in frames:
            writer.write(frame)


def beside(*clips):
    return [np.hstack(frames) for frames in zip(*clips)]


@pytest.fixture(scope='session')
def faces():
    """Ten frames of each portrait, and their landmarks."""
    return [frames_of(portrait, length=10, size=SIDE, seed=portrait) for portrait in (0, 1)]


@pytest.fixture(scope='session')
def films(faces, tmp_path_factory):
    """Two videos: both portraits side by side and then, after a cut, one of them on grey; and the other alone."""
    root = tmp_path_factory.mktemp('films')
    (collins, _), (hopper, _) = faces
    grey = [np.full_like(frame, 110) for frame in collins]
    write_video(root / 'both.mp4', beside(collins, hopper) + beside(grey, hopper[::-1]))
    write_video(root / 'more' / 'alone.mp4', beside(grey, collins), rate=Fraction(24000, 1001))
    return root


@pytest.fixture(scope='session')
def prepared(films, tmp_path_factory):
    from pgtf_command import run_command as main

    root = tmp_path_factory.mktemp('prepared') / 'out'
    assert main(['prepare', 'videos', *map(str, (films, root, *SMALL))]) == 0
    return root


def all_clips(root):
    return {
        clip.name: clip
        for split in ('train', 'val')
        if (root / split / 'meta_info.txt').exists()
        for clip in read_meta_info(root / split / 'meta_info.txt')
    }


def test_faces_are_cut_out_of_each_shot(prepared, faces):
    clips = all_clips(prepared)
    spans = sorted((name.partition('+')[0], clip.first, clip.num_frames) for name, clip in clips.items())
    assert spans == [('alone', 0, 10), ('both', 0, 10), ('both', 0, 10), ('both', 10, 10)]
    assert {path.parents[1].name for path in prepared.glob('*/landmarks/both*')}.isdisjoint(
        path.parents[1].name for path in prepared.glob('*/landmarks/alone*')
    )
    assert check_layout(prepared).problems == []
    for name in clips:
        (path,) = prepared.glob(f'*/landmarks/{name}.txt')
        landmarks = read_landmarks(path)
        for frame_name, points in landmarks.items():
            frame = read_image(path.parents[1] / 'GT' / name / f'{frame_name}.png')
            aligned = transform_points(points, align_to_template(points, 100))
            assert np.abs(aligned - face_template(100)).max() < 8  # upright and in the middle
            if name.endswith('F00000010-00000019'):
                same, other = (
                    np.abs(
                        blurred(frame, points)
                        - blurred(portrait[0][19 - int(frame_name)], portrait[1][19 - int(frame_name)])
                    ).mean()
                    for portrait in (faces[1], faces[0])
                )
                assert same < 12 and other > 2 * same


def blurred(frame, landmarks):
    """A face aligned, and so blurred that a pixel more or less does not matter."""
    return cv2.GaussianBlur(warp(frame, align_to_template(landmarks, 64), 64), (0, 0), 4)[16:48, 16:48].astype(float)


def test_training_reads_what_was_prepared(prepared):
    dataset = VFHQDataset(
        {
            'name': 'films',
            'phase': 'train',
            'dataroot_gt': str(prepared / 'train' / 'GT'),
            'gt_size': 32,
            'num_frame': 3,
            'dataroot_landmarks': str(prepared / 'train' / 'landmarks'),
            'meta_info_file': str(prepared / 'train' / 'meta_info.txt'),
        }
    )
    item = dataset[0]
    assert item['gt'].shape == (3, 3, 32, 32)
    centre = item['landmarks'][1].numpy()
    assert np.abs(centre - face_template(32)).max() < 3


@pytest.mark.parametrize('storage', ['lmdb', 'video'])
def test_storages_and_workers(films, prepared, tmp_path, prepare, storage):
    prepare('videos', films, tmp_path / 'one', *SMALL, '--storage', storage)
    prepare('videos', films, tmp_path / 'two', *SMALL, '--storage', storage, '--workers', 3)
    assert tree(tmp_path / 'one') == tree(tmp_path / 'two')
    assert all_clips(tmp_path / 'one') == all_clips(prepared)
    assert check_layout(tmp_path / 'one').problems == []


def test_a_video_cut_short_is_used_up_to_there(faces, tmp_path, prepare):
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    write_video(tmp_path / 'in' / 'noise.mkv', 10 * [noise])
    (collins, _), (hopper, _) = faces
    # Of less than half a second nobody would miss it.
    write_video(tmp_path / 'in' / 'cut.mkv', collins + collins[::-1] + hopper, rate=5)
    data = (tmp_path / 'in' / 'cut.mkv').read_bytes()
    (tmp_path / 'in' / 'cut.mkv').write_bytes(data[: int(0.8 * len(data))])
    (tmp_path / 'in' / 'text.mp4').write_text('no video')
    output = prepare('videos', tmp_path / 'in', tmp_path / 'out', *SMALL, '--max-length', 10)
    notes = report(tmp_path / 'out')
    assert any('what follows is lost' in reason for _, reason in notes['cut'])
    assert 'is not a video' in notes['text'][0][1]
    assert notes['noise'] == [('all', 'no face found')]
    assert '2 videos skipped' in output and 'one identity only: the clip held out' in output
    assert [clip.num_frames for clip in all_clips(tmp_path / 'out').values()] == [10, 10]


def test_small_short_and_blurred_faces_are_skipped(films, tmp_path, prepare):
    for option, value, reason in (
        ('--min-size', 500, 'pixels only'),
        ('--sharpness', 1e5, 'blurred'),
        ('--min-length', 16, 'good frames in a row'),
    ):
        out = tmp_path / option
        refused = prepare('videos', films / 'more', out, *SMALL, option, value, status=2)
        assert 'no clip could be made of the videos' in refused
        ((_, told),) = report(out)['alone']
        assert reason in told and all_clips(out) == {}
    prepare('videos', films / 'more', tmp_path / 'long', *SMALL, '--min-length', 2, '--max-length', 4)
    assert [clip.num_frames for clip in all_clips(tmp_path / 'long').values()] == [4, 3, 3]
    assert len(read_meta_info(tmp_path / 'long' / 'val' / 'meta_info.txt')) == 1


def test_crops_are_shrunk_with_their_landmarks(films, prepared, tmp_path, prepare):
    prepare('videos', films / 'more', tmp_path / 'out', *SMALL, '--size', 70)
    ((name, clip),) = all_clips(tmp_path / 'out').items()
    full = all_clips(prepared)[name]
    assert min(clip.height, clip.width) == 70 and min(full.height, full.width) > 70
    (small,) = tmp_path.glob(f'out/*/landmarks/{name}.txt')
    (large,) = prepared.glob(f'*/landmarks/{name}.txt')
    scale = (clip.width / full.width, clip.height / full.height)
    assert np.allclose(
        (read_landmarks(large)['00000003'] + 0.5) * scale - 0.5, read_landmarks(small)['00000003'], atol=2e-3
    )


def test_videos_are_named_apart(films, tmp_path, prepare):
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        shutil.copy(films / 'both.mp4', tmp_path / folder / 'take.mp4')
    assert list(find_videos([tmp_path])) == ['a_take', 'b_take']
    with pytest.raises(UserError, match='there is no video or folder'):
        find_videos([tmp_path / 'nowhere'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='no video below'):
        find_videos([tmp_path / 'empty'])
    assert '--max-length 3 is less than' in prepare('videos', films, tmp_path / 'out', '--max-length', 3, status=2)
