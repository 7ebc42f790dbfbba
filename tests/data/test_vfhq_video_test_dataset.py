"""Clips frame by frame, compared with BasicSR's own dataset of the same files."""

import pytest
import torch
from basicsr.data import build_dataset

from pgtf_basicsr.errors import UserError


def options(root, **changes):
    gt = str(root / 'test/GT')
    return {'phase': 'test', 'dataroot_gt': gt, 'dataroot_lq': gt, 'gt_size': 64, 'num_frame': 5, **changes}


@pytest.mark.parametrize('padding', ['replicate', 'reflection', 'reflection_circle', 'circle'])
def test_items_are_those_of_basicsrs_dataset(sample_root, padding):
    ours = build_dataset({'type': 'VFHQVideoTestDataset', 'name': 'x', **options(sample_root, padding=padding)})
    theirs = build_dataset(
        {
            **options(sample_root, padding=padding),
            'type': 'VideoTestDataset',
            'name': 'REDS4',
            'cache_data': False,
            'io_backend': {'type': 'disk'},
        }
    )
    assert len(ours) == len(theirs) == 16
    assert ours.data_info['folder'] == theirs.data_info['folder']
    for index in (0, 1, 3, 7, 8, 15):
        mine, their = ours[index], theirs[index]
        assert mine.keys() == their.keys()
        for name in ('folder', 'idx', 'border', 'lq_path'):
            assert mine[name] == their[name], name
        for name in ('lq', 'gt'):
            torch.testing.assert_close(mine[name], their[name])


def test_frames_are_those_of_the_whole_clips(sample_root):
    shared = {'name': 'x', **options(sample_root, dataroot_lq=None, max_frames=3, num_frame=3)}
    frames = build_dataset({'type': 'VFHQVideoTestDataset', **shared})
    clips = build_dataset({'type': 'VFHQDataset', **shared})
    assert clips.data_info == frames.data_info and len(frames) == 3 * len(clips)
    for index in (4, 1):
        clip, place = clips[index // 3], index % 3
        assert torch.equal(frames[index]['gt'], clip['gt'][place])
        assert torch.equal(frames[index]['lq'][1], clip['lq'][place])


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'num_frame': 4}, 'num_frame is 4; it must be odd'),
        ({'dataroot_gt': None}, 'dataroot_gt is missing'),
        ({'phase': 'train'}, 'its phase is train; VFHQDataset is the one to train on'),
        (
            {'padding': 'reflection', 'max_frames': 4},
            'clip collins_000 has 4 frames; padding reflection needs num_frame, 5: set padding to replicate',
        ),
    ],
)
def test_what_it_cannot_do_is_refused(sample_root, changes, message):
    with pytest.raises(UserError, match=message):
        build_dataset({'type': 'VFHQVideoTestDataset', 'name': 'x', **options(sample_root, **changes)})
