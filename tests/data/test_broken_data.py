"""Missing and broken files: named by clip and file, and left out where the option says so."""

import shutil
import traceback

import lmdb
import pytest
from torch.utils.data import DataLoader

from pgtf_basicsr.data import VFHQDataset
from pgtf_basicsr.errors import DataError, UserError
from pgtf_basicsr.images import read_image, write_image

from ..helpers.storages import write_list, write_lmdb, write_videos

CLIP = 'collins_000'
FRAME = f'GT/{CLIP}/00000004.png'


@pytest.fixture
def root(sample_root, tmp_path):
    """Training clips that a test may break, in all storages."""
    shutil.copytree(sample_root / 'train', tmp_path / 'train')
    root = tmp_path / 'train'
    write_lmdb(root / 'GT', root / 'GT.lmdb')
    write_videos(root / 'GT', root / 'videos')
    write_list(root / 'GT', root / 'meta_info.txt')
    return root


def truncate_frame(root):
    path = root / FRAME
    path.write_bytes(path.read_bytes()[:200])


def empty_frame(root):
    (root / FRAME).write_bytes(b'')


def another_size(root):
    write_image(root / FRAME, read_image(root / FRAME)[:48, :48])


def missing_frame(root):
    (root / FRAME).unlink()


def missing_landmark(root):
    path = root / f'landmarks/{CLIP}.txt'
    path.write_text(''.join(line for line in path.read_text().splitlines(True) if not line.startswith('00000004')))


def landmarks_that_are_none(root):
    path = root / f'landmarks/{CLIP}.txt'
    path.write_text(path.read_text().replace('\n00000004 ', '\n00000004 x '))


def missing_key(root):
    with lmdb.open(str(root / 'GT.lmdb'), map_size=2**28) as database, database.begin(write=True) as transaction:
        assert transaction.delete(f'{CLIP}/00000004'.encode())


def bad_value(root):
    with lmdb.open(str(root / 'GT.lmdb'), map_size=2**28) as database, database.begin(write=True) as transaction:
        transaction.put(f'{CLIP}/00000004'.encode(), b'no picture')


def video_cut_short(root):
    for path in sorted((root / 'GT' / CLIP).iterdir())[4:]:
        path.unlink()
    shutil.rmtree(root / 'videos')
    write_videos(root / 'GT', root / 'videos')


def video_cut_off(root):
    path = root / f'videos/{CLIP}.mp4'
    path.write_bytes(path.read_bytes()[:-2000])


def no_video(root):
    (root / f'videos/{CLIP}.mp4').write_bytes(b'no video')


BROKEN = [
    (truncate_frame, 'GT', '00000004.png .200 bytes. is not a whole image'),
    (empty_frame, 'GT', '00000004.png .0 bytes. is not a whole image'),
    (another_size, 'GT', '00000004.png is 48x48; its clip is 64x64'),
    (missing_frame, 'GT', 'has 7 frames; 8 are listed: frame 00000004 is missing'),
    (missing_landmark, 'GT', f'{CLIP}.txt has no line for frame 00000004'),
    (landmarks_that_are_none, 'GT', f'{CLIP}.txt, line 5'),
    (missing_key, 'GT.lmdb', f'GT.lmdb:{CLIP}/00000004'),
    (bad_value, 'GT.lmdb', f'GT.lmdb:{CLIP}/00000004 .10 bytes. is not a whole image'),
    (video_cut_short, 'videos', f'{CLIP}.mp4 has no frame 4'),
    (video_cut_off, 'videos', f'{CLIP}.mp4'),
    (no_video, 'videos', f'{CLIP}.mp4 is not a video, or it is damaged'),
]


def data_set(root, storage='GT', **options):
    return VFHQDataset(
        {
            'name': 'clips',
            'phase': 'train',
            'dataroot_gt': root / storage,
            'dataroot_landmarks': root / 'landmarks',
            'meta_info_file': root / 'meta_info.txt',
            'num_frame': 8,
            'gt_size': 32,
            'degradation': {'scale': [2, 2], 'sigma': [0.1, 1]},
            **options,
        }
    )


@pytest.mark.parametrize('breaks, storage, complaint', BROKEN)
@pytest.mark.parametrize('workers', [0, 1])
def test_broken_data_stops_or_is_left_out_and_is_named(root, breaks, storage, complaint, workers):
    good = data_set(root, 'videos' if storage == 'videos' else 'GT')[1]
    breaks(root)
    with pytest.raises(DataError, match=complaint) as caught:
        list(DataLoader(data_set(root, storage), num_workers=workers))
    assert CLIP in str(caught.value)
    # The loader, which would otherwise be left to the garbage collector, and then wait 5 s for its process.
    traceback.clear_frames(caught.value.__traceback__)
    dataset = data_set(root, storage, broken_data='skip')
    items = list(DataLoader(dataset, num_workers=workers))
    assert len(items) == 2
    assert [bool(item['left_out'][0]) for item in items] == [True, False]
    assert CLIP in items[0]['left_out'][0]
    for item in items:
        assert item['folder'] == ['hopper_001'] and (item['gt'][0] == good['gt']).all()


def test_a_gap_in_clips_that_are_not_listed_is_seen(root):
    missing_frame(root)
    with pytest.raises(DataError, match=f'GT/{CLIP} has a gap: frame 00000004 is missing'):
        data_set(root, meta_info_file=None, num_frame=7)[0]


def test_clips_that_are_missing_stop_a_run_or_are_left_out(root):
    shutil.rmtree(root / 'GT' / CLIP)
    with pytest.raises(UserError, match=f'dataroot_gt: 1 of 2 clips are missing, the first is {CLIP}'):
        data_set(root)
    assert [clip.name for clip in data_set(root, broken_data='skip').clips] == ['hopper_001']


def test_nothing_but_broken_data_is_an_error(root):
    for path in (root / 'GT').rglob('*.png'):
        path.write_bytes(b'')
    with pytest.raises(DataError, match='2 items in a row are broken, the last one: image .*00000000.png'):
        data_set(root, broken_data='skip')[0]


def test_validation_leaves_nothing_out(root):
    truncate_frame(root)
    with pytest.raises(DataError, match='00000004.png'):
        data_set(root, phase='val', broken_data='skip')[0]
