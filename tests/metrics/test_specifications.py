"""Specifications of metrics, compared with the metrics themselves."""

import warnings

import numpy as np
import pytest
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY

from pgtf_basicsr import config, metrics
from pgtf_basicsr.config.metric_specification import MetricSpecification, label_of, specification_of, specified_by
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.evaluation.val_metrics import COLUMN_ORDER, ClipScorer, describe_metrics

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
    assert [specification_of(section).title for section in SECTIONS] == TITLES
    assert list(dict.fromkeys(section['type'] for section in SECTIONS[:14])) == list(COLUMN_ORDER)


def test_every_metric_has_a_specification():
    names = [name for name in metrics.__all__ if name.startswith('calculate_')]
    types = {section['type'] for section in SECTIONS[:14]}
    assert types == {*names, 'calculate_psnr', 'calculate_ssim', 'calculate_niqe'} - {'calculate_mean_iou'}
    for name in types | {'calculate_mean_iou'}:
        assert specification_of({'type': name}).title


def test_inputs_are_those_of_the_function():
    inputs = {
        section['type']: (specification.compares, specification.ground_truth)
        for section in SECTIONS
        if (specification := specification_of(section))
    }
    without_gt = ('calculate_niqe', 'calculate_landmark_jitter', 'calculate_identity_consistency')
    for name in without_gt:
        assert inputs[name] == ('images', 'unused')
    assert inputs['calculate_flicker'] == ('images', 'optional')
    assert inputs['calculate_code_accuracy'] == ('codes', 'needed')
    assert specification_of({'type': 'calculate_mean_iou'}).compares == 'other'
    for name in ('psnr', 'ssim', 'lpips', 'deg', 'lmd', 'tlme', 'msrl', 'fvd'):
        assert inputs[f'calculate_{name}'] == ('images', 'needed')


def test_arguments_count():
    assert specification_of({'type': 'calculate_lpips', 'net': 'alex'}).title == 'LPIPS (AlexNet)'
    assert specification_of({'type': 'calculate_lpips', 'net': 'vgg'}).title == 'LPIPS'
    # The loss of the same networks refuses smaller ones, see tests/losses.
    assert [specification_of({'type': 'calculate_lpips', 'net': net}).min_side for net in ('vgg', 'alex')] == [16, 31]
    assert specification_of({'type': 'calculate_code_accuracy'}).title == 'Acc_T1'
    assert specification_of({'type': 'calculate_foreign'}) == MetricSpecification()
    assert specification_of({'type': 'calculate_foreign', 'better': 'lower'}).better == 'lower'
    assert specification_of({'type': 'calculate_lmd', 'better': 'higher'}).better == 'higher'


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
    assert good > bad if specification_of(section).better == 'higher' else good < bad


def scored(section, restored, gt):
    if specification_of(section).accumulator:
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
    side = specification_of(section).min_side
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
    assert (
        label_of({'type': 'calculate_lmd', 'landmarks': 'centerface'}).label
        == "CenterFace, 5 landmarks, not the paper's"
    )
    assert label_of({'type': 'calculate_psnr', 'crop_border': 0}).label == 'RGB'
    assert label_of({'type': 'calculate_ssim', 'crop_border': 4, 'test_y_channel': True}).label == (
        'Y channel, border of 4 px left out'
    )
    assert label_of({'type': 'calculate_niqe', 'crop_border': 0}).label == 'Y channel'
    assert label_of({'type': 'calculate_niqe', 'crop_border': 0, 'convert_to': 'gray'}).label == 'grey'
    assert label_of({'type': 'calculate_flicker', 'better': 'lower'}).label == ''
    assert label_of({'type': 'calculate_foreign'}).label == ''
    with pytest.raises(UserError, match='vgg16-397923af.pth is missing'):
        label_of({'type': 'calculate_lpips', 'crop_border': 0})


@pytest.fixture
def registered():
    """Register metrics of another project for one test."""
    names = []

    def register(metric):
        METRIC_REGISTRY.register()(metric)
        names.append(metric.__name__)
        return {'type': metric.__name__}

    yield register
    for name in names:
        del METRIC_REGISTRY._obj_map[name]


def checked(section):
    """A section of val.metrics as the option check takes it."""
    return config.check_metrics(config.OptionFile('test', {'val': {'metrics': {'it': section}}}, {}))['it']


def frame_scores(section, restored, gt=None):
    scorer = ClipScorer({'it': checked(section)}, has_gt=gt is not None)
    for number, frame in enumerate(restored):
        scorer.update(frame, None if gt is None else gt[number])
    return scorer.result('clip').curves.get('it', {}).get('restored')


def test_a_metric_of_another_project_needs_no_specification(registered):
    def calculate_redness(img, img2, gain=1.0, **kwargs):
        return gain * float(np.mean(img[..., 2]) - np.mean(img2[..., 2]))  # BGR, as BasicSR has it

    section = registered(calculate_redness)
    info = describe_metrics({'red': {**section, 'gain': 2}})['red']
    assert (info.title, info.unit, info.better, info.label, info.of_paper) == ('red', '', 'higher', '', True)
    assert describe_metrics({'red': {**section, 'better': 'lower'}})['red'].better == 'lower'
    assert list(describe_metrics({'red': section, 'code': {'type': 'calculate_code_accuracy'}})) == ['code', 'red']

    gt = np.zeros((2, 4, 4, 3), np.uint8)
    restored = gt + np.array([3, 2, 1], np.uint8) * np.array([1, 2], np.uint8)[:, None, None, None]
    assert frame_scores({**section, 'gain': 2, 'better': 'lower'}, restored, gt) == [6, 12]
    # Without ground truth it cannot be measured, because it has a parameter img2.
    assert frame_scores(section, restored) is None


def test_a_metric_of_another_project_without_ground_truth(registered):
    def calculate_blueness(img):
        return float(np.mean(img[..., 0]))

    frames = np.zeros((1, 4, 4, 3), np.uint8) + np.array([3, 2, 1], np.uint8)
    section = registered(calculate_blueness)
    assert frame_scores(section, frames) == frame_scores(section, frames, frames) == [1]


def test_a_metric_of_another_project_with_a_specification(registered):
    class Total:
        total = 0.0

        def update(self, restored):
            self.total += float(restored[..., 0].mean())
            return self.total

        def compute(self):
            return self.total

    @specified_by(
        MetricSpecification(title='Rain', unit='mm', better='lower', min_side=32, accumulator=lambda **options: Total())
    )
    def calculate_rain(img, **kwargs):
        raise AssertionError('the accumulator takes its place')

    section = registered(calculate_rain)
    info = describe_metrics({'it': section})['it']
    assert (info.title, info.unit, info.better) == ('Rain', 'mm', 'lower')
    assert specification_of({**section, 'crop_border': 2}).min_side == 36
    frames = np.zeros((2, 4, 4, 3), np.uint8) + np.array([3, 2, 1], np.uint8)
    assert frame_scores(section, frames) == [3, 6]


def test_what_compares_neither_images_nor_codes_is_refused(registered):
    def calculate_audio(sound):
        return 0.0

    with pytest.raises(UserError, match='calculate_audio compares no images'):
        checked(registered(calculate_audio))
