"""Datasets use the typed options that option files are checked against: each default is stated once."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from basicsr.data import build_dataset
from pydantic import Field

from pgtf_basicsr.data import CelebAMaskHQDataset, DegradationRanges, PlacementRanges, VFHQDataset
from pgtf_basicsr.data.celebamask_options import CelebAMaskHQOptions
from pgtf_basicsr.data.vfhq_options import VFHQOptions
from pgtf_basicsr.errors import UserError


class Smaller(VFHQOptions):
    """Other defaults than the dataset's own."""

    gt_size: int = Field(24, description='side of the ground truth in pixels')
    num_frame: int = Field(2, description='frames of a window')
    interval: tuple[int, ...] = Field((2,), description='step between frames')
    windows_per_clip: int = Field(5, description='windows of a clip')
    max_frames: int | None = Field(3, description='frames of a clip')
    aligned: bool = Field(False, description='whether faces are aligned')
    degradation: DegradationRanges | None = Field(
        DegradationRanges(scale=(2, 2), resize_back=False), description='degradation'
    )
    seed: int = Field(7, description='seed')


class SmallerDataset(VFHQDataset):
    """The dataset with other defaults, and nothing else."""

    option_types = Smaller


def test_a_default_changed_in_the_description_changes_the_items(sample_root):
    options = {'dataroot_gt': sample_root / 'train/GT'}
    dataset = SmallerDataset(options)
    assert len(dataset) == 10 and len(VFHQDataset(options)) == 2
    item = dataset[0]
    assert item['gt'].shape == (2, 3, 24, 24) and item['lq'].shape == (2, 3, 12, 12)
    assert dataset.placement == PlacementRanges() and VFHQDataset(options).placement is None
    stated = {'gt_size': 24, 'num_frame': 2, 'interval': 2, 'windows_per_clip': 5, 'aligned': False, 'seed': 7}
    same = VFHQDataset({**options, **stated, 'degradation': {'scale': [2, 2], 'resize_back': False}})
    assert same[3]['drawn'] == dataset[3]['drawn'] and (same[3]['lq'] == dataset[3]['lq']).all()
    assert len(SmallerDataset({**options, 'phase': 'val'})[0]['gt']) == 3


def test_a_default_of_labelled_images_changes_their_size(tmp_path, labelled_image):
    class Tiny(CelebAMaskHQOptions):
        size: int = Field(20, description='side of images and masks')

    class TinyDataset(CelebAMaskHQDataset):
        option_types = Tiny

    labelled_image(tmp_path)
    assert TinyDataset({'dataroot': tmp_path})[0]['mask'].shape == (20, 20)
    assert TinyDataset({'dataroot': tmp_path, 'size': 16})[0]['mask'].shape == (16, 16)


def test_a_plain_dict_without_name_and_type_is_enough(sample_root):
    dataset = VFHQDataset({'phase': 'val', 'dataroot_gt': Path(sample_root / 'test/GT'), 'gt_size': np.int64(32)})
    assert dataset.options.name == 'VFHQDataset' and dataset.options.num_frame == VFHQOptions.default('num_frame')
    assert dataset[0]['gt'].shape[-2:] == (32, 32)


def test_keys_of_others_are_passed_over(sample_root):
    """BasicSR's own build function, with all that its options hold for a dataset of another kind."""
    options = {
        'type': 'VFHQDataset',
        'name': 'x',
        'phase': 'train',
        'scale': 4,
        'dataroot_gt': sample_root / 'train/GT',
        'gt_size': 32,
        'io_backend': {'type': 'disk'},
        'use_rot': False,
        'mean': [0.5, 0.5, 0.5],
        'num_worker_per_gpu': 2,
        'batch_size_per_gpu': 1,
        'degradation': {'scale': (2, 2), 'sigma': np.array([0.1, 1.0]), 'kernel_size': np.int32(11)},
    }
    dataset = build_dataset(options)
    assert dataset.degradation.ranges == DegradationRanges(scale=(2, 2), sigma=(0.1, 1), kernel_size=11)
    assert dataset.opt['mean'] == [0.5, 0.5, 0.5] and dataset[0]['gt'].shape == (3, 3, 32, 32)
    assert pickle.loads(pickle.dumps(dataset)).options == dataset.options


def test_ranges_made_in_python_are_taken(sample_root):
    ranges = DegradationRanges(variant='bfvr_stc', scale=(2, 2))
    dataset = VFHQDataset({'dataroot_gt': sample_root / 'train/GT', 'gt_size': 32, 'degradation': ranges})
    assert dataset.degradation.ranges == ranges and ranges.sigma == (2, 5)


@pytest.mark.parametrize(
    'wrong, message',
    [
        ({'gt_size': 0}, 'gt_size is 0; it must be 1 or more'),
        ({'gt_size': True}, 'gt_size is true; it must be an integer'),
        ({'interval': [1, 0]}, r'interval is \[1, 0\]; it must be a positive integer, or a list of them'),
        ({'aligned': 'no'}, "aligned is 'no'; it must be true or false"),
        ({'phase': 'eval'}, "phase is 'eval'; it must be one of 'train', 'val' or 'test'"),
        (
            {'degradation': {'sigma': [3, 1]}},
            r'degradation.sigma is \[3, 1\]; it must be two numbers \[low, high\] between 0.001 and 1000',
        ),
        ({'degradation': {'sigm': 1}}, 'degradation.sigm: there is no such option; did you mean sigma?'),
        ({'degradation': 3}, 'degradation is 3; it must be a section with keys of its own'),
        ({'placement': {'rotation': 270}}, 'placement.rotation is 270; it must be 180 or less'),
        ({'degradation': {'variant': 'vfhg'}}, "degradation.variant is 'vfhg'; it must be one of vfhq, bfvr_stc"),
    ],
)
def test_a_wrong_value_is_reported_in_one_line(sample_root, wrong, message):
    with pytest.raises(UserError, match=f'^dataset clips: {message}') as refusal:
        VFHQDataset({'name': 'clips', 'dataroot_gt': sample_root / 'train/GT', **wrong})
    assert '\n' not in str(refusal.value)


def test_files_are_looked_for_by_whoever_reads_them():
    """Options of a dataset that is somewhere else can be read; that its folders are there is for the dataset to see."""
    options = VFHQOptions.from_options(
        {'name': 'x', 'type': 'VFHQDataset', 'dataroot_gt': '/nowhere', 'clip_weights': '/nowhere.txt'}, 'dataset x'
    )
    assert options.dataroot_gt == '/nowhere'
