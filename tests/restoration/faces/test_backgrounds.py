"""What faces are pasted into: frames as they are, enlarged, and through a network for super-resolution."""

import sys
from fractions import Fraction

import numpy as np
import pytest
import spandrel
import torch
from basicsr.archs.srvgg_arch import SRVGGNetCompact
from spandrel.architectures.DnCNN import DnCNN

from pgtf_basicsr.archs import PGTFormer, spandrel_architecture
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.images import to_tensor
from pgtf_basicsr.restoration.faces.backgrounds import PlainBackground, RealESRGANBackground
from pgtf_basicsr.restoration.faces.tiles import tiles
from pgtf_basicsr.video.formats import VideoFormat
from pgtf_basicsr.video.frame import Frame

from ...helpers.super_resolution import noisy, rrdbnet, saved, seeded
from ...helpers.videos import moving_frames, psnr

CPU = torch.device('cpu')
# Small, with sizes that its tensors tell.
PGTFORMER = dict(
    image_size=64,
    width=32,
    multipliers=(1, 2, 1),
    swin_levels=(16,),
    num_heads=4,
    window_size=2,
    z_channels=64,
    codebook_size=16,
    codebook_dim=24,
    predictor_width=32,
    predictor_layers=1,
    predictor_mlp=32,
    tfr_levels=(16, 32),
    tfr_channels=32,
)


def frame_of(image):
    return Frame(image, Fraction(0), Fraction(1, 25))


def samples_of(net, image):
    """The network's result on the whole image, in the image's type."""
    result = net(to_tensor(image)[None])[0].clamp(0, 1) * np.iinfo(image.dtype).max
    return result.round().movedim(0, -1).numpy().astype(image.dtype)


@pytest.mark.parametrize('dtype, depth', [(np.uint8, 8), (np.uint16, 10)])
@pytest.mark.parametrize('scale', [1, 2, 4])
def test_a_plain_background_is_the_frame_enlarged(scale, dtype, depth):
    image, format = (
        (moving_frames(1, 48, 36)[0] * np.float64(np.iinfo(dtype).max / 255)).astype(dtype),
        VideoFormat(depth, '444'),
    )
    planes = PlainBackground(scale).prepare(frame_of(image), format)
    assert planes.format == format
    assert {plane.shape for plane in planes.samples} == {(36 * scale, 48 * scale)}
    # Nothing has moved: blocks of the enlarged frame average to the frame.
    blocks = planes.to_rgb().reshape(36, scale, 48, scale, 3).mean((1, 3)) / np.iinfo(dtype).max
    assert psnr(255 * blocks, image * (255 / np.iinfo(dtype).max)) > 38


@pytest.mark.parametrize('key', ['params_ema', 'params'])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_real_esrgan_computes_what_basicsr_computes(dtype, key, tmp_path):
    net, image = rrdbnet(), noisy(21, 34, dtype)
    background = RealESRGANBackground(saved(net, tmp_path / 'net.pth', key), 4, CPU)
    expected, result = samples_of(net, image), background.enhance(image)
    assert expected.std() > 0.05 * np.iinfo(dtype).max
    assert result.dtype == dtype and result.shape == (84, 136, 3)
    assert np.abs(result.astype(int) - expected).max() <= 1
    planes = background.prepare(frame_of(image), VideoFormat(8, '420'))
    assert [plane.shape for plane in planes.samples] == [(84, 136), (42, 68), (42, 68)]


@pytest.mark.parametrize('own, scale', [(4, 1), (4, 2), (2, 2), (2, 4), (1, 2)])
def test_any_scale_with_any_network(own, scale, tmp_path):
    net, image = rrdbnet(own), noisy(20, 36)
    result = RealESRGANBackground(saved(net, tmp_path / 'net.pth'), scale, CPU).enhance(image)
    assert result.shape == (20 * scale, 36 * scale, 3)
    by_network = samples_of(net, image)
    if own > scale:  # means of blocks
        factor = own // scale
        means = by_network.reshape(20 * scale, factor, 36 * scale, factor, 3).mean((1, 3))
        assert np.abs(result - means).max() <= 1
    else:
        factor = scale // own
        assert psnr(result.reshape(20 * own, factor, 36 * own, factor, 3).mean((1, 3)), by_network) > 25


@pytest.mark.parametrize('length', [5, 64, 65, 79, 80, 127, 128, 501])
@pytest.mark.parametrize('size, overlap, multiple_of', [(64, 8, 1), (64, 16, 4), (48, 8, 2)])
def test_tiles_add_up_to_the_image_and_end_gradually(length, size, overlap, multiple_of):
    shares = np.zeros((length, 70))
    for seen, (down, across) in tiles(length, 70, size, overlap, multiple_of):
        shares[seen] += np.outer(down, across)
        for part, share, side in zip(seen, (down, across), shares.shape):
            assert part.start % multiple_of == 0 and len(share) == part.stop - part.start
            assert len(share) == min(side, size) or (part.stop == side and len(share) < size + multiple_of)
            # What is within half the overlap of an edge, other than the image's, is dropped.
            assert part.start == 0 or (share[: overlap // 2] == 0).all()
            assert part.stop == side or (share[len(share) - overlap // 2 :] == 0).all()
            assert np.abs(np.diff(share)).max(initial=0) <= 1 / overlap + 1e-6
    np.testing.assert_allclose(shares, 1, rtol=1e-6)


@pytest.mark.parametrize(
    'make, scale',
    [
        (lambda: SRVGGNetCompact(num_feat=8, num_conv=4, upscale=2), 2),  # 6 convolutions of 3 pixels: it sees 6 around
        (lambda: rrdbnet(2), 2),
    ],
)
def test_tiles_leave_no_seam(make, scale, tmp_path):
    net = seeded(make)
    image = noisy(97, 131, np.uint16)
    weights = saved(net, tmp_path / 'net.pth')
    whole, *tiled = (
        RealESRGANBackground(weights, scale, CPU, tile=tile, overlap=16).enhance(image).astype(int)
        for tile in (131, 64, 64)
    )
    assert np.abs(tiled[0] - whole).max() < 257
    assert np.array_equal(*tiled)


@pytest.mark.parametrize('precision, bound', [('fp32', 90), ('fp16', 55), ('bf16', 40)])
def test_ten_bits_stay_ten_bits_in_every_precision(precision, bound, tmp_path):
    """A ramp has more values than 8 bits have, in the result too: neither it nor the frame is rounded to bf16."""
    net = seeded(lambda: SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2))
    ramp = np.broadcast_to(np.linspace(0, 65535, 1024).round().astype(np.uint16)[None, :, None], (8, 1024, 3))
    result = RealESRGANBackground(saved(net, tmp_path / 'net.pth'), 2, CPU, precision).enhance(ramp)
    assert len(np.unique(result[4, :, 0])) > 1000
    assert psnr(result / 257, samples_of(net, ramp) / 257) > bound


@pytest.mark.parametrize('precision, bound', [('bf16', 40), ('fp16', 55)])
def test_half_precision_is_near(precision, bound, tmp_path):
    weights, image = saved(rrdbnet(), tmp_path / 'net.pth'), noisy(16, 24)
    exact, half = (RealESRGANBackground(weights, 4, CPU, name).enhance(image) for name in ('fp32', precision))
    assert psnr(exact, half) > bound


def refusal(make, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        make()
    assert '\n' not in str(caught.value)


def test_what_is_no_network_for_backgrounds_is_a_line(tmp_path):
    path = tmp_path / 'net.pth'

    def load(precision='fp32'):
        return RealESRGANBackground(path, 2, CPU, precision)

    refusal(load, f'weights not found: {path}')
    path.write_bytes(b'not weights')
    refusal(load, f'{path} cannot be read as weights')
    saved(torch.nn.Linear(2, 2), path)
    refusal(load, f'{path} holds no network that enlarges images')
    saved(rrdbnet(channels=1), path)
    refusal(load, 'a network from 1 to 1 channels: a background needs one from RGB to RGB')
    state = rrdbnet().state_dict()
    torch.save({'params': {name: tensor for name, tensor in state.items() if 'rdb2.conv3' not in name}}, path)
    refusal(load, f'{path} cannot be loaded as a network that enlarges images')
    saved(DnCNN(in_nc=3, out_nc=3, nc=8, act_mode='R'), path)
    refusal(lambda: load('fp16'), 'does not run in fp16: choose another precision')
    refusal(lambda: RealESRGANBackground(path, 3, CPU), 'scale must be one of 1, 2, 4, not 3')
    refusal(lambda: PlainBackground(0), 'scale must be one of 1, 2, 4, not 0')


def test_networks_for_faces_are_not_for_backgrounds(tmp_path, monkeypatch):
    registry = spandrel.MAIN_REGISTRY.copy()
    monkeypatch.setattr(spandrel, 'MAIN_REGISTRY', registry)
    monkeypatch.setattr(spandrel.ModelLoader.__init__, '__defaults__', (None, registry))
    spandrel_architecture.install()
    net = PGTFormer(**PGTFORMER)
    refusal(lambda: RealESRGANBackground(saved(net, tmp_path / 'net.pth'), 2, CPU), 'PGTFormer, which is for FaceSR')


def test_without_spandrel_the_extra_is_named(tmp_path, monkeypatch):
    path = saved(rrdbnet(), tmp_path / 'net.pth')
    monkeypatch.setitem(sys.modules, 'spandrel', None)
    refusal(
        lambda: RealESRGANBackground(path, 2, CPU), r'the extra background: pip install "pgtf-basicsr\[background\]"'
    )
