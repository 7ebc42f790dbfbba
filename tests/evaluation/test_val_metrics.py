"""Scores of clips, measured while their frames go by."""

import math

import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.evaluation.val_metrics import ClipScorer, describe_metrics, require_clips, whole_scores
from pgtf_basicsr.metrics import calculate_fvd, calculate_msrl

PSNR = {'type': 'calculate_psnr', 'crop_border': 0}
MSRL = {'type': 'calculate_msrl'}


def score(metrics, restored, gt=None, degraded=None):
    """Result of a clip, (T, H, W, 3) uint8 arrays."""
    scorer = ClipScorer(metrics, has_gt=gt is not None)
    nothing = [None] * len(restored)
    for frames in zip(restored, nothing if gt is None else gt, nothing if degraded is None else degraded):
        scorer.update(*frames)
    return scorer.result('clip')


def test_score_is_the_mean_over_the_curve():
    gt = np.full((2, 16, 16, 3), 100, np.uint8)
    # Differences of 1 and 5 give MSE 1 and 25.
    result = score({'psnr': PSNR}, gt + np.array([1, 5], np.uint8)[:, None, None, None], gt, gt + np.uint8(10))
    curve = [20 * np.log10(255 / difference) for difference in (1, 5)]
    assert result.curves['psnr']['restored'] == pytest.approx(curve)
    assert result.scores['psnr'] == pytest.approx({'restored': np.mean(curve), 'degraded': 20 * np.log10(25.5)})
    assert result.num_frames == 2


def test_temporal_metrics_see_the_whole_clip_and_have_a_curve():
    restored, gt = np.random.default_rng(0).integers(50, 200, (2, 4, 16, 16, 3)).astype(np.uint8)
    result = score({'msrl': MSRL}, restored, gt)
    assert result.scores['msrl']['restored'] == calculate_msrl(restored, gt)
    first, *others = result.curves['msrl']['restored']
    assert math.isnan(first)
    assert others == pytest.approx([calculate_msrl(restored[i : i + 2], gt[i : i + 2]) for i in range(3)])


def test_degraded_frames_of_another_size_have_no_scores():
    gt = np.zeros((2, 16, 16, 3), np.uint8)
    assert set(score({'psnr': PSNR}, gt + np.uint8(1), gt, gt[:, ::2, ::2]).scores['psnr']) == {'restored'}


def test_without_ground_truth_only_what_does_without_is_measured():
    frames = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3)).astype(np.uint8)
    metrics = {
        'psnr': PSNR,
        'flicker': {'type': 'calculate_flicker'},
        'msrl': MSRL,
        'codes': {'type': 'calculate_code_accuracy'},
    }
    assert list(score(metrics, frames).scores) == ['flicker']


def test_basicsrs_metrics_get_the_channel_order_that_they_expect():
    gt, frames = np.zeros((2, 1, 16, 16, 3), np.uint8)
    frames[..., 0] = 100  # red, which brightness gives the weight 65.481 / 255
    result = score({'y': {**PSNR, 'test_y_channel': True}}, frames, gt)
    assert result.scores['y']['restored'] == pytest.approx(20 * np.log10(255 / (100 * 65.481 / 255)), abs=1e-3)


def test_codes_are_compared_with_what_predicts_them():
    scorer = ClipScorer(
        {'t1': {'type': 'calculate_code_accuracy'}, 't2': {'type': 'calculate_code_accuracy', 'k': 2}}, has_gt=True
    )
    frame = np.zeros((8, 8, 3), np.uint8)
    logits = torch.tensor([[[3.0, 2.0, 1.0], [1.0, 3.0, 2.0]]])  # (1, 2, 3): codes 0, 1 first, 1, 2 second
    for codes in ([[0, 2]], [[1, 0]]):
        scorer.update(frame, frame, codes=(logits, torch.tensor(codes)))
    result = scorer.result('clip')
    assert result.curves == {'t1': {'restored': [0.5, 0.0]}, 't2': {'restored': [1.0, 0.5]}}
    assert {name: scores['restored'] for name, scores in result.scores.items()} == {'t1': 0.25, 't2': 0.75}


def test_dataset_level_metrics_are_those_of_all_clips(i3d_file):
    metrics = {'fvd': {'type': 'calculate_fvd', 'window': 10, 'weights': i3d_file}}
    clips = np.random.default_rng(0).integers(0, 255, (2, 2, 10, 16, 16, 3)).astype(np.uint8)
    collected = []
    for restored, gt in zip(*clips):
        scorer = ClipScorer(metrics, has_gt=True)
        for frames in zip(restored, gt):
            scorer.update(*frames)
        assert scorer.result('clip').scores == {}
        collected.append(scorer.collected())
    expected = calculate_fvd(*clips, window=10, weights=i3d_file, channel_order='rgb')
    assert whole_scores(metrics, collected) == {'fvd': {'restored': expected}}


def test_metrics_are_described_in_the_order_of_the_papers_columns():
    metrics = {'msrl': MSRL, 'face': {'type': 'calculate_lmd', 'landmarks': 'centerface'}, 'psnr': PSNR}
    infos = describe_metrics(metrics)
    assert list(infos) == ['psnr', 'face', 'msrl']
    assert infos['psnr'].better == 'higher' and infos['face'].better == 'lower'
    assert 'CenterFace' in infos['face'].label and not infos['face'].of_paper


@pytest.mark.parametrize(
    'options, complaint',
    [
        ({'type': 'calculate_lmd'}, 'alignment_WFLW_4HG.pth is missing: .*weights'),
        ({'type': 'calculate_lmd', 'weights': 'absent.pth'}, 'there is no file absent.pth'),
        ({'type': 'calculate_deg'}, 'recognition_arcface_ir_se50.pth is missing'),
        ({'type': 'calculate_fvd'}, 'i3d_torchscript.pt is missing'),
    ],
)
def test_missing_weights_are_reported(nowhere, options, complaint):
    with pytest.raises(UserError, match=f'metric bad: .*{complaint}'):
        describe_metrics({'psnr': PSNR, 'bad': options})


@pytest.mark.parametrize(
    'options, lengths, side, complaint',
    [
        (MSRL, {'long': 9, 'short': 1}, 64, 'clip short has 1 frame; metric it needs 2'),
        ({'type': 'calculate_landmark_jitter'}, {'short': 2}, 64, 'clip short has 2 frames; metric it needs 3'),
        ({'type': 'calculate_fvd', 'window': 12}, {'a': 12, 'b': 11}, 64, 'clip b has 11 frames; metric it needs 12'),
        ({'type': 'calculate_fvd'}, {'a': 99}, 64, 'a single clip'),
        (
            {'type': 'calculate_ssim', 'crop_border': 0},
            {'a': 1},
            10,
            '10 pixels at their shorter side; metric it needs 11',
        ),
        ({'type': 'calculate_niqe', 'crop_border': 0}, {'a': 1}, 64, 'metric it needs 192'),
    ],
)
def test_clips_that_a_metric_cannot_measure_are_refused(options, lengths, side, complaint):
    with pytest.raises(UserError, match=f'set: .*{complaint}'):
        require_clips({'it': options}, 'set', lengths, True, side)
    require_clips({'it': PSNR}, 'set', lengths, True, side)
