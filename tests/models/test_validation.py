"""Scores and pictures of validation."""
import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.models.validation import ClipScores, comparison_strip, prepare_metrics, to_image

METRICS = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}, 'msrl': {'type': 'calculate_msrl'}}


def test_scores_are_means_over_frames_then_clips():
    gt = np.full((2, 16, 16, 3), 100, np.uint8)
    scores = ClipScores({'psnr': METRICS['psnr']})
    # Differences of 1 and 5 give MSE 1 and 25.
    frames = gt + np.array([1, 5], np.uint8)[:, None, None, None]
    scores.add('one', frames, gt + np.uint8(10), gt)
    scores.add('two', gt + np.uint8(2), gt + np.uint8(10), gt)
    psnr = [20 * np.log10(255 / difference) for difference in (1, 5, 2, 10)]
    restored, degraded = scores.means()['psnr']
    assert restored == pytest.approx(((psnr[0] + psnr[1]) / 2 + psnr[2]) / 2)
    assert degraded == pytest.approx(psnr[3])


def test_metrics_of_clips_get_whole_clips():
    rng = np.random.default_rng(0)
    gt = rng.integers(50, 200, (4, 16, 16, 3)).astype(np.uint8)
    scores = ClipScores({'msrl': METRICS['msrl']})
    # A constant offset changes no difference of frames: MSRL is perfect, whatever the frames.
    scores.add('clip', gt + np.uint8(7), gt, gt)
    assert scores.means()['msrl'][0] == float('inf')


def test_strip_puts_first_middle_and_last_frame_side_by_side():
    clip = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((1, 4, 6, 3), np.uint8)
    strip = comparison_strip(clip[:, ::2, ::2], clip + 10, clip + 20)
    assert strip.shape == (12, 18, 3)
    assert [int(strip[y, x, 0]) for y in (0, 4, 8) for x in (0, 6, 12)] == [0, 10, 20, 2, 12, 22, 4, 14, 24]
    assert comparison_strip(clip, clip).shape == (12, 12, 3)


def test_images_are_rounded_and_clamped():
    frames = torch.tensor([-0.5, 0.5, 2.0]).view(1, 3, 1, 1)
    assert to_image(frames).tolist() == [[[[0, 128, 255]]]]


def test_basicsrs_metrics_get_the_channel_order_that_they_expect():
    gt, frames = np.zeros((2, 1, 16, 16, 3), np.uint8)
    frames[..., 0] = 100  # red, which brightness gives the weight 65.481 / 255
    scores = ClipScores({'y': {'type': 'calculate_psnr', 'crop_border': 0, 'test_y_channel': True}})
    scores.add('clip', frames, gt, gt)
    assert scores.means()['y'][0] == pytest.approx(20 * np.log10(255 / (100 * 65.481 / 255)), abs=1e-3)


def test_metrics_are_refused_before_anything_is_restored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = {**METRICS, 'face': {'type': 'calculate_lmd', 'landmarks': 'centerface', 'better': 'lower'}}
    backend, = prepare_metrics(metrics).values()
    assert 'CenterFace' in backend.label and not backend.of_paper
    for options, complaint in (({'type': 'calculate_lmd'}, 'alignment_WFLW_4HG.pth is missing: .*weights'),
                               ({'type': 'calculate_lmd', 'weights': 'absent.pth'}, 'there is no file absent.pth'),
                               ({'type': 'calculate_deg'}, 'recognition_arcface_ir_se50.pth is missing'),
                               ({'type': 'calculate_fvd'}, 'a number of a whole data set')):
        with pytest.raises(UserError, match=f'val.metrics.bad: .*{complaint}'):
            prepare_metrics({**metrics, 'bad': options})
