"""Metrics against other implementations; all comparisons are listed in tests/fixtures/metrics/calibration.md."""

import warnings

import lpips
import numpy as np
import pytest
import skimage
import torch
from basicsr.metrics import calculate_metric, calculate_niqe, calculate_psnr, calculate_ssim
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pgtf_basicsr.metrics import calculate_lpips, calculate_msrl

from ..helpers.backbones import seeded_features, torchvision_names
from ..helpers.portraits import blurred, displaced, jittering, moving_portrait, noisy

DISTORTIONS = [(blurred, 1), (blurred, 3), (noisy, 10), (noisy, 40), (displaced, 2)]


@pytest.mark.parametrize('distortion, strength', DISTORTIONS)
def test_psnr_and_ssim_are_scikit_images(distortion, strength):
    clip, _ = moving_portrait()
    restored, gt = distortion(clip[:1], strength)[0], clip[0]
    assert calculate_psnr(restored, gt, crop_border=0) == pytest.approx(
        peak_signal_noise_ratio(gt, restored, data_range=255), abs=1e-3
    )
    # The settings of Wang et al. (2004).
    ssim = structural_similarity(
        gt, restored, data_range=255, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert calculate_ssim(restored, gt, crop_border=0) == pytest.approx(ssim, abs=1e-3)


def test_psnr_ssim_and_msrl_get_worse_with_every_step():
    clip = moving_portrait()[0][:3]
    for distortion, strengths in ((blurred, (1, 2, 4)), (noisy, (5, 10, 20)), (jittering, (1, 2, 4))):
        clips = [distortion(clip, strength) for strength in strengths]
        for score in (calculate_msrl, frame_mean(calculate_psnr), frame_mean(calculate_ssim)):
            scores = [score(restored, clip) for restored in clips]
            assert sorted(scores, reverse=True) == scores and len(set(scores)) == 3, (distortion, score, scores)


def test_msrl_counts_jitter_where_psnr_sees_no_difference():
    clip, _ = moving_portrait()
    steady, trembling = displaced(clip, 2), jittering(clip, 2)
    psnr = [frame_mean(calculate_psnr)(moved, clip) for moved in (steady, trembling)]
    assert abs(psnr[0] - psnr[1]) < 1.5
    assert calculate_msrl(trembling, clip) < calculate_msrl(steady, clip) - 5


def test_niqe_gets_worse_with_every_step():
    face = skimage.data.astronaut()[:256, 96:352, ::-1]
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for distortion, strengths in ((blurred, (1, 2, 4, 8)), (noisy, (4, 8, 16, 32))):
            scores = [calculate_niqe(distortion(face[None], strength)[0], 0) for strength in strengths]
            assert calculate_niqe(face, 0) == calculate_niqe(face.copy(), 0) < scores[0]
            assert sorted(scores) == scores and len(set(scores)) == 4, (distortion, scores)


def frame_mean(metric):
    return lambda restored, gt: float(np.mean([metric(a, b, crop_border=0) for a, b in zip(restored, gt)]))


@pytest.fixture(scope='module')
def backbone(tmp_path_factory):
    path = tmp_path_factory.mktemp('backbone') / 'alexnet.pth'
    torch.save(torchvision_names(seeded_features('alexnet')), path)
    return str(path)


def test_lpips_is_that_of_its_package(backbone):
    clip, _ = moving_portrait()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        reference = lpips.LPIPS(net='alex', pnet_rand=True, verbose=False)
    for index in range(reference.net.N_slices):
        for number, layer in getattr(reference.net, f'slice{index + 1}').named_children():
            layer.load_state_dict(seeded_features('alexnet')[int(number)].state_dict())
    gt = clip[0, 48:144, 48:144]
    restored = blurred(gt[None], 2)[0]
    with torch.inference_mode():
        # The package's own way from an image to [-1, 1].
        expected = reference(lpips.im2tensor(restored), lpips.im2tensor(gt)).item()
        cropped = reference(lpips.im2tensor(restored[4:-4, 4:-4]), lpips.im2tensor(gt[4:-4, 4:-4])).item()
    options = {'net': 'alex', 'weights': backbone, 'device': 'cpu'}
    rgb = {'channel_order': 'rgb', **options}
    assert calculate_lpips(restored, gt, **rgb) == pytest.approx(expected, abs=1e-6)
    assert calculate_lpips(restored, gt, crop_border=4, **rgb) == pytest.approx(cropped, abs=1e-6)
    # What BasicSR's models hand over.
    bgr = {'img': restored[..., ::-1], 'img2': gt[..., ::-1]}
    assert calculate_metric(bgr, {'type': 'calculate_lpips', **options}) == pytest.approx(expected, abs=1e-6)
    assert calculate_lpips(restored, gt, **options) != pytest.approx(expected, abs=1e-4)
    assert calculate_metric({'img': gt, 'img2': gt}, {'type': 'calculate_lpips', 'better': 'lower', **options}) == 0


def test_lpips_gets_worse_with_every_step(backbone):
    clip, _ = moving_portrait()
    for distortion, strengths in ((blurred, (1, 2, 4)), (noisy, (5, 10, 20))):
        scores = [
            calculate_lpips(restored, clip[0], net='alex', weights=backbone, device='cpu')
            for restored in (distortion(clip[:1], strength)[0] for strength in strengths)
        ]
        assert 0 < scores[0] < scores[1] < scores[2], (distortion, scores)
