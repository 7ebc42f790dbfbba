"""What tables know of metrics, against the metrics themselves."""

import warnings

import numpy as np
import pytest
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.metrics import Column, column_of, label_of, order_of

from ..helpers.portraits import blurred, moving_portrait, noisy

# The paper's order, ours after it.
SECTIONS = [
    {'type': 'calculate_psnr', 'crop_border': 0},
    {'type': 'calculate_ssim', 'crop_border': 0},
    {'type': 'calculate_lpips'},
    {'type': 'calculate_deg'},
    {'type': 'calculate_lmd'},
    {'type': 'calculate_tlme'},
    {'type': 'calculate_msrl'},
    {'type': 'calculate_fvd'},
    {'type': 'calculate_niqe', 'crop_border': 0},
    {'type': 'calculate_flicker'},
    {'type': 'calculate_landmark_jitter'},
    {'type': 'calculate_identity_consistency'},
    {'type': 'calculate_code_accuracy', 'k': 1},
    {'type': 'calculate_code_accuracy', 'k': 5},
    {'type': 'calculate_something_else'},
    {'type': 'calculate_anything'},
]
TITLES = [
    'PSNR',
    'SSIM',
    'LPIPS',
    'Deg',
    'LMD',
    'TLME',
    'MSRL',
    'FVD',
    'NIQE',
    'Flicker',
    'Jitter',
    'ID consistency',
    'Acc_T1',
    'Acc_T5',
    None,
    None,
]


def test_titles_and_the_papers_order():
    assert [column_of(section).title for section in SECTIONS] == TITLES
    # Of the unknown ones, and of those of one type, the order stays.
    shuffled = [*SECTIONS[14:], *SECTIONS[12:14], *SECTIONS[11::-1]]
    assert sorted(shuffled, key=order_of) == SECTIONS


def test_every_known_metric_is_registered():
    for section in SECTIONS[:14]:
        assert section['type'] in METRIC_REGISTRY


def test_arguments_count():
    assert column_of({'type': 'calculate_lpips', 'net': 'alex'}).title == 'LPIPS (AlexNet)'
    assert column_of({'type': 'calculate_lpips', 'net': 'vgg'}).title == 'LPIPS'
    # The loss of the same networks refuses smaller ones, see tests/losses.
    assert [column_of({'type': 'calculate_lpips', 'net': net}).min_side for net in ('vgg', 'alex')] == [16, 31]
    assert column_of({'type': 'calculate_code_accuracy'}).title == 'Acc_T1'
    assert column_of({'type': 'calculate_foreign'}) == Column(None, '', 'higher', 1)
    assert column_of({'type': 'calculate_foreign', 'better': 'lower'}).better == 'lower'
    assert column_of({'type': 'calculate_lmd', 'better': 'higher'}).better == 'higher'


@pytest.mark.parametrize(
    'section',
    [
        {'type': 'calculate_psnr', 'crop_border': 0},
        {'type': 'calculate_ssim', 'crop_border': 0},
        {'type': 'calculate_lmd', 'landmarks': 'centerface'},
        {'type': 'calculate_tlme', 'landmarks': 'centerface'},
        {'type': 'calculate_msrl'},
        {'type': 'calculate_flicker'},
        {'type': 'calculate_landmark_jitter', 'landmarks': 'centerface'},
        {'type': 'calculate_niqe', 'crop_border': 0},
    ],
    ids=lambda section: section['type'],
)
def test_better_is_what_a_clearer_and_steadier_clip_has(section):
    clip = moving_portrait()[0][:3]
    good, bad = (scored(section, restored, clip) for restored in (clip, noisy(blurred(clip, 1), 32)))
    assert good > bad if column_of(section).better == 'higher' else good < bad


def scored(section, restored, gt):
    if getattr(METRIC_REGISTRY.get(section['type']), 'per_clip', False):
        return calculate_metric({'img': restored, 'img2': gt}, section)
    return calculate_metric({'img': restored[-1], 'img2': gt[-1]}, section)


@pytest.mark.parametrize(
    'section',
    [
        {'type': 'calculate_psnr', 'crop_border': 0},
        {'type': 'calculate_psnr', 'crop_border': 3},
        {'type': 'calculate_ssim', 'crop_border': 0},
        {'type': 'calculate_ssim', 'crop_border': 2},
        {'type': 'calculate_niqe', 'crop_border': 0},
        {'type': 'calculate_niqe', 'crop_border': 2},
        {'type': 'calculate_flicker'},
    ],
    ids=str,
)
def test_a_square_frame_of_the_smallest_side_has_a_score_and_no_smaller_one_has(section):
    side = column_of(section).min_side
    clip = np.random.default_rng(0).integers(0, 255, (2, side, side, 3), dtype=np.uint8)
    assert np.isfinite(scored(section, clip[::-1], clip))
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            small = scored(section, clip[::-1, 1:, 1:], clip[:, 1:, 1:])
        except (ValueError, np.linalg.LinAlgError):
            small = np.nan
    assert np.isnan(small)


def test_labels(nowhere):
    assert label_of({'type': 'calculate_lmd', 'landmarks': 'centerface'}) == "CenterFace, 5 landmarks, not the paper's"
    assert label_of({'type': 'calculate_psnr', 'crop_border': 0}) == 'RGB'
    assert label_of({'type': 'calculate_ssim', 'crop_border': 4, 'test_y_channel': True}) == (
        'Y channel, border of 4 px left out'
    )
    assert label_of({'type': 'calculate_niqe', 'crop_border': 0}) == 'Y channel'
    assert label_of({'type': 'calculate_niqe', 'crop_border': 0, 'convert_to': 'gray'}) == 'grey'
    assert label_of({'type': 'calculate_flicker', 'better': 'lower'}) == ''
    assert label_of({'type': 'calculate_foreign'}) == ''
    with pytest.raises(UserError, match='vgg16-397923af.pth is missing'):
        label_of({'type': 'calculate_lpips', 'crop_border': 0})
