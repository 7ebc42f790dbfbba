"""Backgrounds through a network on a GPU, in every precision, against those of the CPU."""

import pytest
import torch

from pgtf_basicsr.devices import PRECISIONS
from pgtf_basicsr.restoration.faces.backgrounds import RealESRGANBackground

from ..helpers.super_resolution import noisy, rrdbnet, saved
from ..helpers.videos import psnr

pytestmark = pytest.mark.gpu

BOUNDS = {'fp32': 60, 'bf16': 30, 'fp16': 50}


@pytest.mark.parametrize('precision', PRECISIONS)
def test_real_esrgan(precision, device, tmp_path):
    weights, image = saved(rrdbnet(), tmp_path / 'net.pth'), noisy(97, 131)
    exact = RealESRGANBackground(weights, 2, torch.device('cpu')).enhance(image)
    background = RealESRGANBackground(weights, 2, device, precision, tile=64, overlap=16)
    assert psnr(exact, background.enhance(image)) > BOUNDS[precision]
