"""Scores of validation, gathered and averaged, and its pictures."""

import math

import numpy as np
import torch

from pgtf_basicsr.evaluation.results import ClipResult, MetricInfo
from pgtf_basicsr.images import to_image
from pgtf_basicsr.models.clip_scores import ClipScores

METRICS = {name: MetricInfo(name.upper(), options={'type': f'calculate_{name}'}) for name in ('psnr', 'ssim', 'niqe')}


def test_scores_are_means_over_clips_that_have_one():
    scores = ClipScores('run', 'data', METRICS)
    scores.add(ClipResult('two', 3, {'psnr': {'restored': 30.0, 'degraded': 20.0}, 'ssim': {'restored': math.nan}}), {})
    scores.add(ClipResult('one', 9, {'psnr': {'restored': 40.0, 'degraded': 10.0}, 'ssim': {'restored': 0.5}}), {})
    gathered = scores.gathered()
    assert [clip.name for clip in gathered.result.clips] == ['one', 'two'] and len(gathered) == 2
    means = gathered.means()
    assert list(means) == ['psnr', 'ssim'] and means['psnr'] == (35.0, 15.0)
    assert means['ssim'][0] == 0.5 and math.isnan(means['ssim'][1])
    assert gathered.directions() == {'psnr': 'higher', 'ssim': 'higher'}


def test_images_are_rounded_and_clamped():
    frames = torch.tensor([-0.5, 0.5, 2.0]).view(1, 3, 1, 1)
    assert to_image(frames).tolist() == [[[[0, 128, 255]]]]
    assert to_image(frames).dtype == np.uint8
