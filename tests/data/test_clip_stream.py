"""Validation clips frame by frame: the same as their items, in bounded memory, refused before they start."""

import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from basicsr.data.video_test_dataset import VideoRecurrentTestDataset, VideoTestDataset

from pgtf_basicsr.data import VFHQDataset
from pgtf_basicsr.data.clip_stream import ClipStream, open_stream
from pgtf_basicsr.errors import DataError, UserError
from pgtf_basicsr.faces.transforms import centre_square, warp
from pgtf_basicsr.images import read_image, write_image
from pgtf_basicsr.video import VideoWriter

from ..helpers.storages import write_list, write_lmdb, write_videos

CLIPS = ['collins_000', 'hopper_001']


@pytest.fixture(scope='module')
def shared_root(sample_root, tmp_path_factory):
    """The test clips in all storages, and degraded to 24 pixels; tests must not change it."""
    root = tmp_path_factory.mktemp('streams') / 'test'
    shutil.copytree(sample_root / 'test', root)
    write_lmdb(root / 'GT', root / 'GT.lmdb')
    write_videos(root / 'GT', root / 'videos')
    for path in (root / 'GT').rglob('*.png'):
        target = root / 'LR_Blind' / path.relative_to(root / 'GT')
        target.parent.mkdir(parents=True, exist_ok=True)
        write_image(target, warp(read_image(path), centre_square(64, 64, 24), 24))
    write_list(root / 'GT', root / 'meta_info.txt')
    return root


@pytest.fixture
def root(shared_root, tmp_path):
    """The same, for a test to break."""
    return shutil.copytree(shared_root, tmp_path / 'test')


def data_set(root, gt='GT', lq=None, landmarks='landmarks', **options):
    roots = {
        f'dataroot_{kind}': root / name if name else None
        for kind, name in (('gt', gt), ('lq', lq), ('landmarks', landmarks))
    }
    return VFHQDataset(
        {
            'name': 'clips',
            'phase': 'val',
            **roots,
            'gt_size': 32,
            'degradation': {'scale': [2, 2], 'sigma': [0.1, 1]},
            **options,
        }
    )


def stacked(stream):
    """Degraded and real frames of a stream, (T, 3, H, W) each, the latter None where there are none."""
    lq, gt = zip(*stream)
    return torch.stack(lq), torch.stack(gt) if stream.has_gt else None


def write_levels(path, num_frames):
    """A video of grey frames of 64 pixels, each a little brighter than the last one."""
    path.parent.mkdir()
    with VideoWriter(path, 25, 64, 64) as writer:
        for number in range(num_frames):
            writer.write(np.full((64, 64, 3), 50 + number * 100 // num_frames, np.uint8))


@pytest.mark.parametrize(
    'options',
    [
        {'aligned': False, 'placement': {'offset': 0.1, 'rotation': 12}},
        {'degradation': {'scale': [4, 4], 'resize_back': False}, 'max_frames': 5},
        {'gt': 'GT.lmdb'},
        {'gt': 'videos', 'max_frames': 3},
        {'lq': 'LR_Blind', 'aligned': False},
        {'gt': None, 'lq': 'LR_Blind', 'landmarks': None},
    ],
    ids=['placed', 'small', 'lmdb', 'video', 'ready', 'no-gt'],
)
def test_a_stream_has_the_frames_of_the_item(shared_root, options):
    dataset = data_set(shared_root, **options)
    for index in range(2):
        item, stream = dataset[index], open_stream(dataset, index)
        lq, gt = stacked(stream)
        assert stream.name == item['folder'] == CLIPS[index]
        assert stream.num_frames == len(lq) == dataset.clip_lengths()[stream.name] == options.get('max_frames', 8)
        assert lq.dtype == torch.float32 and torch.equal(lq, item['lq'])
        assert stream.has_gt == dataset.has_gt == ('gt' in item)
        assert torch.equal(gt, item['gt']) if dataset.has_gt else gt is None


def test_a_stream_has_the_frames_of_the_files_and_starts_over(shared_root):
    stream = data_set(shared_root, lq='GT', landmarks=None, gt_size=64).stream(1)
    files = sorted((shared_root / 'GT' / CLIPS[1]).iterdir())
    for _ in range(2):
        for file, pair in zip(files, stream, strict=True):
            for frame in pair:
                assert np.array_equal((frame.numpy() * 255).round().transpose(1, 2, 0), read_image(file))
    first, second = iter(stream), iter(stream)
    next(first)
    assert torch.equal(next(second)[0], next(iter(stream))[0])


def test_a_stream_has_ground_truth_for_all_frames_where_items_have_the_centre_alone(shared_root):
    dataset = data_set(shared_root, gt_frames='centre')
    _, gt = stacked(dataset.stream(0))
    assert len(gt) == 8 and torch.equal(gt[4], dataset[0]['gt'])


def test_long_clips_take_no_more_memory_than_short_ones(tmp_path):
    # Both are longer than all that looks ahead together, some 70 frames.
    write_levels(tmp_path / 'GT/clip.mp4', 270)
    peaks = []
    for num_frames in (90, 270):
        stream = data_set(
            tmp_path, landmarks=None, gt_size=64, max_frames=num_frames, degradation={'preset': 'veryfast'}
        ).stream(0)
        tracemalloc.start()
        assert sum(1 for _ in stream) == num_frames
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def another_size(root):
    write_image(root / f'GT/{CLIPS[0]}/00000004.png', np.zeros((48, 48, 3), np.uint8))


def truncated(root):
    path = root / f'GT/{CLIPS[0]}/00000004.png'
    path.write_bytes(path.read_bytes()[:200])


def truncated_degraded(root):
    path = root / f'LR_Blind/{CLIPS[0]}/00000004.png'
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    'breaks, complaint',
    [
        (another_size, '00000004.png is 48x48; its clip is 64x64'),
        (truncated, '00000004.png .200 bytes. is not a whole image'),
        (truncated_degraded, 'LR_Blind.*00000004.png .200 bytes. is not a whole image'),
    ],
)
def test_a_broken_frame_is_named_when_it_is_its_turn(root, breaks, complaint):
    breaks(root)
    frames = iter(data_set(root, lq='LR_Blind').stream(0))
    for _ in range(4):
        next(frames)
    with pytest.raises(DataError, match=complaint):
        next(frames)


def fewer_degraded(root):
    (root / f'LR_Blind/{CLIPS[1]}/00000007.png').unlink()


def more_degraded(root):
    shutil.copy(root / f'LR_Blind/{CLIPS[1]}/00000007.png', root / f'LR_Blind/{CLIPS[1]}/00000008.png')


def other_names(root):
    (root / f'LR_Blind/{CLIPS[1]}/00000007.png').rename(root / f'LR_Blind/{CLIPS[1]}/00000009.png')


def gap(root):
    (root / f'GT/{CLIPS[1]}/00000005.png').unlink()
    write_lmdb(root / 'GT', root / 'gap.lmdb')


def short_video(root):
    (root / f'GT/{CLIPS[1]}/00000007.png').unlink()
    write_videos(root / 'GT', root / 'short')


WHERE = f'dataset clips: clip {CLIPS[1]} has'


@pytest.mark.parametrize(
    'breaks, options, complaint',
    [
        (
            fewer_degraded,
            {'lq': 'LR_Blind'},
            f'{WHERE} 7 frames in .*LR_Blind/{CLIPS[1]}; it should have 8, 00000000 to '
            f'00000007 as in .*GT/{CLIPS[1]}: frame 00000007 is missing',
        ),
        (
            more_degraded,
            {'lq': 'LR_Blind'},
            f'{WHERE} 9 frames in .*LR_Blind.* 8, .*: frame 00000008 is not one of them',
        ),
        (other_names, {'lq': 'LR_Blind'}, f'{WHERE} 8 frames in .*LR_Blind.* 8, .*: frame 00000007 is missing'),
        (fewer_degraded, {'gt': 'videos', 'lq': 'LR_Blind'}, f'{WHERE} 7 frames in .* 8, .*videos/{CLIPS[1]}.mp4'),
        (
            gap,
            {'gt': 'gap.lmdb'},
            f'{WHERE} 7 frames in .*gap.lmdb:{CLIPS[1]}/; it should have 7, 00000000 to 00000006: '
            'frame 00000005 is missing',
        ),
        (
            gap,
            {'gt': 'gap.lmdb', 'meta_info_file': 'meta_info.txt'},
            f'{WHERE} 7 frames in .* 8, .* 00000005 is missing',
        ),
        (gap, {}, f'dataset clips: .*GT/{CLIPS[1]} has a gap: frame 00000005 is missing'),
        (short_video, {'gt': 'short', 'meta_info_file': 'meta_info.txt'}, f'{WHERE} 7 frames in .*mp4; .* 8, '),
    ],
)
def test_clips_that_lack_frames_are_refused_before_the_start(root, breaks, options, complaint):
    breaks(root)
    if 'meta_info_file' in options:
        options = options | {'meta_info_file': root / options['meta_info_file']}
    with pytest.raises(DataError, match=complaint):
        data_set(root, **options)


def test_what_is_not_read_may_be_missing(root):
    fewer_degraded(root)
    assert data_set(root, lq='LR_Blind', max_frames=7).clip_lengths() == dict.fromkeys(CLIPS, 7)
    (root / 'list.txt').write_text(f'{CLIPS[1]}/7\n')
    assert data_set(root, lq='LR_Blind', meta_info_file=root / 'list.txt').clip_lengths() == {CLIPS[1]: 7}


def test_clips_that_cannot_be_listed_are_left_to_their_reading(shared_root):
    dataset = VFHQDataset(
        {
            'name': 'far',
            'phase': 'val',
            'dataroot_gt': 'http://127.0.0.1:9/GT',
            'meta_info_file': shared_root / 'meta_info.txt',
        }
    )
    assert dataset.clip_lengths() == dict.fromkeys(CLIPS, 8)


def test_training_sets_have_no_streams(sample_root):
    train = VFHQDataset({'name': 'clips', 'phase': 'train', 'dataroot_gt': sample_root / 'train/GT'})
    with pytest.raises(UserError, match='dataset clips: its phase is train'):
        train.stream(0)


def test_an_index_outside_is_an_index_error(shared_root):
    with pytest.raises(IndexError):
        open_stream(data_set(shared_root), 2)


def basicsr_data_set(kind, root):
    return kind(
        {
            'name': 'REDS4',
            'dataroot_gt': str(root / 'GT'),
            'dataroot_lq': str(root / 'LR_Blind'),
            'cache_data': True,
            'io_backend': {'type': 'disk'},
            'num_frame': 3,
            'padding': 'reflection',
        }
    )


def test_items_of_basicsrs_data_sets_are_streams_too(shared_root):
    stream = open_stream(basicsr_data_set(VideoRecurrentTestDataset, shared_root), 1)
    lq, gt = stacked(stream)
    assert (stream.name, stream.num_frames, lq.shape, gt.shape) == (CLIPS[1], 8, (8, 3, 24, 24), (8, 3, 64, 64))
    frame = read_image(shared_root / 'GT' / CLIPS[1] / '00000003.png')
    assert np.array_equal((gt[3].numpy() * 255).round().transpose(1, 2, 0), frame)
    bare = ClipStream.of_item({'lq': lq, 'key': 'somewhere/00000000'})
    assert bare.name == 'somewhere/00000000' and not bare.has_gt
    for _ in range(2):
        assert torch.equal(stacked(bare)[0], lq)
    with pytest.raises(UserError, match=rf'clip {CLIPS[0]}: lq is \(3, 3, 24, 24\) and gt \(3, 64, 64\); a test takes'):
        open_stream(basicsr_data_set(VideoTestDataset, shared_root), 0)
