import hashlib
import shutil

import numpy as np
import pytest
import torch
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.utils import get_root_logger
from torch.utils.data import DataLoader

from pgtf_basicsr.data import DegradationRanges, VFHQDataset
from pgtf_basicsr.data.clips import read_landmarks, write_landmarks
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import align_to_template, face_template, flip_landmarks
from pgtf_basicsr.faces.transforms import centre_square, transform_points, warp
from pgtf_basicsr.host.epochs import EpochSampler
from pgtf_basicsr.images import read_image, write_image

from ..helpers.storages import write_list, write_lmdb


def make_dataset(root, phase='train', **options):
    split = root / ('train' if phase == 'train' else 'test')
    return VFHQDataset(
        {
            'name': 'clips',
            'phase': phase,
            'dataroot_gt': split / 'GT',
            'dataroot_landmarks': split / 'landmarks',
            'gt_size': 32,
            'degradation': {'scale': [2, 2], 'sigma': [0.1, 1]},
            **options,
        }
    )


def digest(item):
    return hashlib.sha256(item['lq'].numpy().tobytes() + item['gt'].numpy().tobytes()).hexdigest()


@pytest.fixture
def own_root(sample_root, tmp_path):
    """A copy of the sample data that a test may change."""
    shutil.copytree(sample_root, tmp_path / 'data')
    return tmp_path / 'data'


def test_a_training_item_is_a_window(sample_root):
    item = make_dataset(sample_root)[1]
    assert item['lq'].shape == item['gt'].shape == (3, 3, 32, 32)
    assert item['lq'].dtype == item['gt'].dtype == torch.float32
    assert item['lq'].min() >= 0 and 0.5 < item['lq'].max() <= 1
    assert item['landmarks'].shape == (3, 5, 2)
    clip, first = item['key'].split('/')
    assert clip == item['folder'] == 'hopper_001'
    assert item['gt_path'] == item['lq_path'] == str(sample_root / 'train/GT/hopper_001' / f'{first}.png')


def test_a_validation_item_is_a_whole_clip_and_always_the_same(sample_root):
    dataset = make_dataset(sample_root, 'val', use_hflip=True)
    assert len(dataset) == 2
    item = dataset[0]
    assert item['lq'].shape == item['gt'].shape == (8, 3, 32, 32)
    dataset.set_epoch(5)
    assert digest(dataset[0]) == digest(item) == digest(make_dataset(sample_root, 'val')[0])
    assert digest(make_dataset(sample_root, 'val', seed=1)[0]) != digest(item)
    assert make_dataset(sample_root, 'val', max_frames=5)[0]['gt'].shape[0] == 5


def test_items_follow_from_seed_epoch_and_index(sample_root):
    dataset = make_dataset(sample_root, windows_per_clip=3)
    assert len(dataset) == 6
    first = [digest(item) for item in dataset]
    assert len(set(first)) == 6
    assert first == [digest(item) for item in make_dataset(sample_root, windows_per_clip=3)]
    dataset.set_epoch(1)
    second = [digest(item) for item in dataset]
    assert not set(first) & set(second)
    dataset.set_epoch(0)
    assert first == [digest(item) for item in dataset]
    assert digest(make_dataset(sample_root, seed=1)[0]) != first[0]


@pytest.mark.parametrize('workers, start_method', [(0, None), (1, 'fork'), (4, 'fork'), (1, 'spawn')])
def test_workers_draw_the_same_items_and_see_the_epoch(sample_root, tmp_path, workers, start_method):
    # An LMDB must not be used by two processes through one handle.
    dataset = make_dataset(
        sample_root, windows_per_clip=2, dataroot_gt=write_lmdb(sample_root / 'train/GT', tmp_path / 'GT.lmdb')
    )
    loader = DataLoader(
        dataset, num_workers=workers, multiprocessing_context=start_method, persistent_workers=workers > 0
    )
    for epoch in (0, 3):
        dataset.set_epoch(epoch)
        expected = [digest(dataset[index]) for index in range(len(dataset))]
        assert [digest(batch) for batch in loader] == expected


@pytest.mark.parametrize('storage', ['GT', 'GT.lmdb'])
@pytest.mark.parametrize('workers', [0, 1, 4])
def test_ranks_share_an_epoch_without_overlap_and_a_resume_goes_on_with_its_rest(own_root, workers, storage):
    if storage == 'GT.lmdb':
        write_lmdb(own_root / 'train/GT', own_root / 'train/GT.lmdb')
    options = {
        'windows_per_clip': 6,
        'dataroot_gt': own_root / 'train' / storage,
        'meta_info_file': write_list(own_root / 'train/GT', own_root / 'meta_info.txt'),
    }
    truth = make_dataset(own_root, **(options | {'dataroot_gt': own_root / 'train/GT'}))
    truth.set_epoch(2)
    expected = {digest(truth[index]): index for index in range(12)}
    assert len(expected) == 12

    def epoch_of(ranks, rank, taken=0):
        dataset = make_dataset(own_root, **options)
        sampler = EpochSampler(EnlargedSampler(dataset, ranks, rank), 0, torch.Generator(), (2, taken))
        loader = DataLoader(
            dataset, sampler=sampler, num_workers=workers, multiprocessing_context='fork' if workers else None
        )
        sampler.set_epoch(2)
        return [expected[digest(batch)] for batch in loader]

    alone, first, second = epoch_of(1, 0), epoch_of(2, 0), epoch_of(2, 1)
    assert sorted(alone) == list(range(12)) and first == alone[0::2] and second == alone[1::2]
    assert epoch_of(2, 1, taken=2) == second[2:]


def test_an_aligned_window_uses_the_transform_of_its_centre_frame(sample_root):
    item = make_dataset(sample_root, num_frame=5)[0]
    clip, first = item['key'].split('/')
    names = [f'{int(first) + step:08d}' for step in range(5)]
    landmarks = read_landmarks(sample_root / 'train/landmarks' / f'{clip}.txt')
    matrix = align_to_template(landmarks[names[2]], 32)
    for name, frame, points in zip(names, item['gt'], item['landmarks']):
        source = read_image(sample_root / 'train/GT' / clip / f'{name}.png')
        assert np.array_equal((frame.numpy() * 255).round().transpose(1, 2, 0), warp(source, matrix, 32))
        assert np.allclose(points, transform_points(landmarks[name], matrix), atol=1e-3)
    assert np.abs(item['landmarks'][2].numpy() - face_template(32)).max() < 2


def test_landmarks_go_by_frame_name_and_not_by_place(own_root):
    before = make_dataset(own_root)[0]
    for path in (own_root / 'train/landmarks').iterdir():
        write_landmarks(path, dict(reversed(read_landmarks(path).items())))
    assert digest(make_dataset(own_root)[0]) == digest(before)


def test_a_mirrored_window_has_mirrored_landmarks(sample_root):
    plain, flipped = (make_dataset(sample_root, windows_per_clip=8, use_hflip=hflip) for hflip in (False, True))
    mirrored = 0
    for first, second in zip(plain, flipped):
        assert first['key'] == second['key']
        if torch.equal(first['gt'], second['gt']):
            assert torch.equal(first['landmarks'], second['landmarks'])
        else:
            mirrored += 1
            assert (first['gt'] - second['gt'].flip(-1)).abs().mean() < 0.01
            assert np.allclose(second['landmarks'], flip_landmarks(first['landmarks'].numpy(), 32), atol=1e-3)
    assert 3 <= mirrored <= 13


def test_unaligned_windows_move_with_their_landmarks(sample_root):
    ranges = {'offset': 0.1, 'scale': [0.8, 1.1], 'rotation': 12}
    items = list(make_dataset(sample_root, windows_per_clip=8, aligned=False, placement=ranges))
    centres = np.array([item['landmarks'][1].mean(dim=0).numpy() for item in items])
    assert np.abs(centres - face_template(32).mean(axis=0)).max() > 1
    assert len({digest(item) for item in items}) == len(items)
    first, second = (make_dataset(sample_root, 'val', aligned=False)[1] for _ in range(2))
    assert digest(first) == digest(second) != digest(make_dataset(sample_root, 'val')[1])


def test_without_landmarks_the_centre_square_is_taken(sample_root):
    item = make_dataset(sample_root, gt_size=64, dataroot_landmarks=None)[0]
    frame = read_image(item['gt_path'])
    assert np.array_equal((item['gt'][0].numpy() * 255).round().transpose(1, 2, 0), frame)
    assert 'landmarks' not in item
    assert make_dataset(sample_root, dataroot_landmarks=None, aligned=False)[0]['gt'].shape == (3, 3, 32, 32)


def test_an_item_is_made_again_from_its_line(own_root):
    made = make_dataset(own_root, aligned=False, use_hflip=True, random_reverse=True, interval=[1, 2])
    made.set_epoch(4)
    other = make_dataset(own_root, seed=9, degradation={'scale': [2, 2], 'noise': [50, 50]})
    for index in range(2):
        item = made[index]
        assert '\n' not in item['drawn']
        again = other.reproduce(item['drawn'])
        assert digest(again) == digest(item) and torch.equal(again['landmarks'], item['landmarks'])
        assert again['drawn'] == item['drawn'] and again['key'] == item['key']
    for line, complaint in (
        ('{}', 'is not a report'),
        ('[1]', 'is not a report'),
        ('x', 'is not a report'),
        (item['drawn'].replace('hopper', 'hoppel'), 'has no clip hoppel_001'),
    ):
        with pytest.raises(UserError, match=complaint):
            other.reproduce(line)


def test_windows_whose_face_leaves_the_picture_are_drawn_again(own_root):
    path = own_root / 'train/landmarks/collins_000.txt'
    landmarks = read_landmarks(path)
    for name in ('00000006', '00000007'):
        landmarks[name] = landmarks[name] + 500
    write_landmarks(path, landmarks)
    firsts = [
        int(item['key'][-8:]) for item in make_dataset(own_root, windows_per_clip=24) if item['folder'] == 'collins_000'
    ]
    assert max(firsts) == 3 and set(firsts) == {0, 1, 2, 3}


def test_reverse_play_and_ends(own_root):
    for index, path in enumerate(sorted((own_root / 'train/GT/collins_000').iterdir())):
        write_image(path, np.full((32, 32, 3), index * 10, np.uint8))
    options = {'dataroot_landmarks': None, 'random_reverse': True, 'clip_ends': 'repeat', 'windows_per_clip': 40}
    levels = {
        tuple((item['gt'].mean(dim=(1, 2, 3)) * 25.5).round().int().tolist())
        for item in make_dataset(own_root, **options)
        if item['folder'] == 'collins_000'
    }
    assert {(0, 0, 1), (1, 0, 0), (6, 7, 7), (7, 7, 6), (3, 4, 5), (5, 4, 3)} <= levels


def test_weights_choose_the_clips(own_root):
    (own_root / 'weights.txt').write_text('collins_000 3\nhopper_001 1\n')
    dataset = make_dataset(own_root, clip_weights=str(own_root / 'weights.txt'), windows_per_clip=4)
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        assert sum(dataset[index]['folder'] == 'collins_000' for index in range(8)) == 6
    assert len({digest(item) for item in dataset}) == 8
    for path in sorted((own_root / 'train/GT/hopper_001').iterdir())[4:]:
        path.unlink()
    dataset = make_dataset(own_root, clip_weights='frames', windows_per_clip=3)
    assert sum(item['folder'] == 'collins_000' for item in dataset) == 4


def test_windows_keep_their_interval(own_root):
    for index, path in enumerate(sorted((own_root / 'train/GT/collins_000').iterdir())):
        write_image(path, np.full((32, 32, 3), index * 10, np.uint8))
    gt = make_dataset(own_root, interval=3, dataroot_landmarks=None)[0]['gt'].mean(dim=(1, 2, 3)) * 255
    assert np.allclose(np.diff(gt), 30, atol=0.1)


@pytest.mark.parametrize('lq_size', [16, 64])
def test_ready_lq_folders_of_any_size_lie_over_the_ground_truth(own_root, lq_size):
    lq_root = own_root / 'train/LR_Blind'
    for path in (own_root / 'train/GT').rglob('*.png'):
        target = lq_root / path.relative_to(own_root / 'train/GT')
        target.parent.mkdir(parents=True, exist_ok=True)
        write_image(target, warp(read_image(path), centre_square(64, 64, lq_size), lq_size))
    item = make_dataset(own_root, dataroot_lq=lq_root, use_hflip=True)[1]
    assert 'LR_Blind' in item['lq_path'] and 'GT' in item['gt_path']
    assert item['lq'].shape == item['gt'].shape
    errors = [(item['lq'] - item['gt'].roll(shift, dims=-1)).abs().mean() for shift in (-1, 0, 1)]
    assert min(errors) == errors[1] < 0.1
    (lq_root / 'hopper_001/00000003.png').unlink()
    with pytest.raises(UserError, match='LR_Blind/hopper_001 has no frame 00000003'):
        make_dataset(own_root, dataroot_lq=lq_root, num_frame=8)[1]


def test_lq_alone_is_enough_for_testing(sample_root):
    item = make_dataset(sample_root, 'test', dataroot_gt=None, dataroot_lq=sample_root / 'test/GT')[0]
    assert item['lq'].shape == (8, 3, 32, 32)
    assert 'gt' not in item and 'gt_path' not in item


def test_small_lq_and_centre_gt_for_super_resolution_networks(sample_root):
    item = make_dataset(sample_root, gt_frames='centre', degradation={'scale': [4, 4], 'resize_back': False})[0]
    assert item['lq'].shape == (3, 3, 8, 8) and item['gt'].shape == (3, 32, 32)


def test_short_clips_are_left_out_and_named(own_root, caplog, monkeypatch):
    # BasicSR's logger does not propagate, so caplog has to listen to it directly.
    monkeypatch.setattr(get_root_logger(), 'propagate', True)
    for path in sorted((own_root / 'train/GT/hopper_001').iterdir())[2:]:
        path.unlink()
    dataset = make_dataset(own_root)
    assert [clip.name for clip in dataset.clips] == ['collins_000']
    assert 'fewer than 3 frames: hopper_001' in caplog.text
    with pytest.raises(UserError, match='no clip of 9 or more frames'):
        make_dataset(own_root, num_frame=9)


def test_a_list_of_clips_chooses_them(own_root):
    listing = own_root / 'meta_info.txt'
    listing.write_text('hopper_001/8\n')
    assert [clip.name for clip in make_dataset(own_root, meta_info_file=listing).clips] == ['hopper_001']
    listing.write_text('hopper_001/9\n')
    with pytest.raises(UserError, match='has 8 frames; 9 are listed'):
        make_dataset(own_root, meta_info_file=listing)[0]
    listing.write_text('../test/GT/hopper_001/8\n')
    with pytest.raises(UserError, match='leads out of'):
        make_dataset(own_root, meta_info_file=listing)
    listing.write_text('hopper_001/8\nhopper_999/8\n')
    with pytest.raises(UserError, match='dataroot_gt: 1 of 2 clips are missing, .*hopper_999'):
        make_dataset(own_root, meta_info_file=listing)


def test_broken_data_is_named(own_root):
    frame = own_root / 'train/GT/collins_000/00000004.png'
    frame.write_bytes(frame.read_bytes()[:200])
    with pytest.raises(UserError, match='00000004.png'):
        make_dataset(own_root, num_frame=8)[0]
    landmarks = own_root / 'train/landmarks/hopper_001.txt'
    landmarks.write_text('\n'.join(landmarks.read_text().splitlines()[1:]))
    with pytest.raises(UserError, match='hopper_001.txt has no line for frame 00000000'):
        make_dataset(own_root, num_frame=8)[1]
    landmarks.unlink()
    with pytest.raises(UserError, match='dataroot_landmarks: 1 of 2 clips are missing, the first is hopper_001'):
        make_dataset(own_root)


@pytest.mark.parametrize(
    'options, complaint',
    [
        ({'dataroot_gt': '/nowhere/GT'}, 'dataroot_gt: no folder /nowhere/GT'),
        ({'dataroot_gt': None}, 'dataroot_gt is missing'),
        ({'dataset_enlarge_ratio': 10}, 'dataset_enlarge_ratio is 10; it must be 1: .*windows_per_clip'),
        ({'num_frame': 0}, 'num_frame is 0'),
        ({'gt_size': '512'}, "gt_size is '512'"),
        ({'phase': 'training'}, 'phase'),
        ({'gt_frames': 'last'}, 'gt_frames'),
        ({'degradation': {'blur': 3}}, 'degradation.blur: there is no such option'),
        ({'placement': {'angle': 3}}, 'placement.angle: there is no such option'),
        ({'io_backend': {'type': 'lmdb'}}, 'dataroot_gt: no LMDB at'),
        ({'io_backend': {'type': 'nosuch'}}, 'dataroot_gt: mmengine has no file backend'),
    ],
)
def test_wrong_options_are_named(sample_root, options, complaint):
    with pytest.raises(UserError, match=complaint):
        make_dataset(sample_root, **options)


def test_an_index_outside_is_an_index_error(sample_root):
    with pytest.raises(IndexError):
        make_dataset(sample_root)[2]


def test_the_default_degradation_is_vfhqs(sample_root):
    assert make_dataset(sample_root, degradation=None).degradation.ranges == DegradationRanges()
