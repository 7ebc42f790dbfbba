"""Methods on small or seeded networks, against the networks of BasicSR and of this package themselves."""

from unittest import mock

import pytest
import torch
from basicsr.archs.basicvsrpp_arch import BasicVSRPlusPlus
from basicsr.archs.hifacegan_arch import HiFaceGAN
from torch.nn import functional as F

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.methods import build_method
from pgtf_basicsr.restoration.streaming import restore_frames

from ..helpers.small_networks import SWIN_PGTFORMER


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval().requires_grad_(False)


def moving_clip(count, height, width):
    """Frames (3, height, width) of a smooth pattern that moves by (2, 3) pixels a frame."""
    noise = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0))
    ground = F.interpolate(noise, (height + 2 * count, width + 3 * count), mode='bicubic')[0].clamp(0, 1)
    return [ground[:, 2 * i : 2 * i + height, 3 * i : 3 * i + width].clone() for i in range(count)]


def restored(options, frames):
    return torch.stack(list(build_method({**options, 'device': 'cpu'}).restore(iter(frames))))


# ---------------------------------------------------------------- BasicVSR++


@pytest.fixture(scope='module')
def vsr(tmp_path_factory):
    """BasicSR's network as it builds it on a GPU, with offsets that are not zero, and its file."""

    def make():
        with mock.patch('torch.cuda.is_available', return_value=True):
            net = BasicVSRPlusPlus(16, 1, is_low_res_input=False)
        for alignment in net.deform_align.values():
            torch.nn.init.normal_(alignment.conv_offset[-1].weight, std=0.02)
        return net

    net, path = seeded(make), tmp_path_factory.mktemp('vsr') / 'net_g_2.pth'
    torch.save({'params': net.state_dict()}, path)
    return net, str(path)


def test_basicvsrpp_restores_chunks_as_basicsr_does(vsr):
    """Frames of a single chunk have its bits; the shared one is between those of its two chunks."""
    net, path = vsr
    frames = moving_clip(5, 256, 256)
    found = restored({'type': 'BasicVSRPlusPlus', 'weights': path, 'chunk': 3, 'overlap': 1}, frames)
    first, last = (net(torch.stack(frames[start : start + 3])[None])[0] for start in (0, 2))
    assert torch.equal(found[:2], first[:2].clamp(0, 1)) and torch.equal(found[3:], last[1:].clamp(0, 1))
    assert torch.allclose(found[2], ((first[2] + last[0]) / 2).clamp(0, 1), atol=1e-6)
    assert (found - torch.stack(frames)).abs().max() > 1e-2


def test_basicvsrpp_forgets_that_a_clip_stood_still(vsr):
    net, path = vsr
    still, moving = [moving_clip(1, 256, 256)[0]] * 2, moving_clip(2, 256, 256)
    method = build_method({'type': 'BasicVSRPlusPlus', 'weights': path, 'device': 'cpu'})
    list(method.restore(still))
    found = torch.stack(list(method.restore(moving)))
    assert torch.equal(found, net(torch.stack(moving)[None])[0].clamp(0, 1))


def test_weights_without_alignment_run_without(vsr, tmp_path):
    """As BasicSR trains them without a GPU."""
    state = {name: value for name, value in vsr[0].state_dict().items() if not name.startswith('deform_align')}
    torch.save({'params': state}, tmp_path / 'w.pth')
    method = build_method({'type': 'BasicVSRPlusPlus', 'weights': str(tmp_path / 'w.pth'), 'device': 'cpu'})
    assert method.net.state_dict().keys() == state.keys() and not method.net.is_with_alignment


# ----------------------------------------------------------------- HiFaceGAN


def test_hifacegan_restores_as_basicsr_does(tmp_path, capsys):
    """Also weights with BatchNorm, which BasicSR runs in training mode: a frame is normalised by its own statistics."""
    frames = moving_clip(2, 64, 64)
    networks = {
        norm: seeded(lambda norm=norm: HiFaceGAN(num_feat=4, norm_g=f'spectralspade{norm}3x3', is_train=False))
        for norm in ('syncbatch', 'batch')
    }
    for module in networks['batch'].modules():
        module.training = isinstance(module, torch.nn.BatchNorm2d)
    capsys.readouterr()
    for norm, net in networks.items():
        path = tmp_path / f'{norm}.pth'
        torch.save({'params': net.state_dict()}, path)
        found = restored({'type': 'HiFaceGAN', 'weights': str(path)}, frames)
        expected = torch.cat([net(frame[None]) for frame in frames]).clamp(0, 1)
        assert torch.allclose(found, expected, atol=1e-6) and found.std() > 0.1
    assert capsys.readouterr().out == ''


# ----------------------------------------------------------------- PGTFormer


@pytest.fixture(scope='module')
def pgtformer(tmp_path_factory):
    net = seeded(lambda: PGTFormer(**SWIN_PGTFORMER))
    path = tmp_path_factory.mktemp('pgtformer') / 'net_g_latest.pth'
    torch.save({'params_ema': net.state_dict(), 'network': {'type': 'PGTFormer', **SWIN_PGTFORMER}}, path)
    return net, str(path)


def test_pgtformer_restores_as_the_streaming_engine_does(pgtformer):
    net, path = pgtformer
    frames = moving_clip(4, 32, 32)
    for options in {'fidelity': 0.3}, {'fidelity': 1.0, 'stride': 3}:
        expected = torch.stack(list(restore_frames(net, frames, **options))).clamp(0, 1)
        found = restored({'type': 'PGTFormer', 'weights': path, **options}, frames)
        # It is arranged for speed.
        assert torch.allclose(found, expected, atol=1e-4)


def test_frames_of_another_size_come_back_in_theirs(pgtformer):
    """They are resized for the network, which then sees what is left of them, and back."""
    net, path = pgtformer
    method = build_method({'type': 'PGTFormer', 'weights': path, 'device': 'cpu'})
    assert method.needs.window == 3 and method.needs.multiple_of == net.requirements.multiple_of == 4
    frames = moving_clip(3, 30, 41)
    found = torch.stack(list(method.restore(frames)))
    assert found.shape == (3, 3, 30, 41) and found.min() >= 0 and found.max() <= 1
    fitting = F.interpolate(torch.stack(frames), (32, 40), mode='area')
    assert method.needs.size is None and len(list(method.restore(fitting))) == 3


def test_stride_longer_than_the_window(pgtformer):
    with pytest.raises(UserError, match='stride is 4; the network of .* takes 1 to 3'):
        build_method({'type': 'PGTFormer', 'weights': pgtformer[1], 'stride': 4})


# ----------------------------------------------------------------- baselines


def test_input_and_bicubic():
    frames = moving_clip(2, 32, 40)
    assert torch.equal(restored_without_device('Input', frames), torch.stack(frames))
    # Of what is constant in blocks nothing is lost before the enlargement.
    small = torch.rand(1, 3, 8, 10)
    blocks = small.repeat_interleave(4, -1).repeat_interleave(4, -2)
    expected = F.interpolate(small, (32, 40), mode='bicubic', align_corners=False).clamp(0, 1)
    assert torch.allclose(restored_without_device('Bicubic', blocks), expected, atol=1e-6)


def restored_without_device(name, frames):
    return torch.stack(list(build_method({'type': name}).restore(frames)))


# ------------------------------------------------------------- wrong weights


@pytest.mark.parametrize(
    'name, message',
    [
        ('BasicVSRPlusPlus', 'holds no weights of BasicVSR++ with is_low_res_input: false'),
        ('HiFaceGAN', 'holds no weights of HiFaceGAN'),
    ],
)
def test_weights_of_another_network(name, message, pgtformer):
    with pytest.raises(UserError) as refusal:
        build_method({'type': name, 'weights': pgtformer[1]})
    assert message in str(refusal.value) and pgtformer[1] in str(refusal.value)
