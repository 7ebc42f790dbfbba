"""VQFR computes what the published source computes, and takes weights of its names and shapes.

tests/fixtures/vqfr was made with a transcription of the published source: names and shapes of the networks' tensors
(tensors.json), and what they make of seeded weights and frames (outputs.npz, sampled), with 32 channels at the finest
level. The published files of weights themselves have not been read.
"""

import functools
import json
from dataclasses import replace
from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
import torch
from basicsr.archs.arch_util import DCNv2Pack

from pgtf_basicsr.checkpoints import load_weights
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.methods import build_method
from pgtf_basicsr.methods.networks import VQFRv1, VQFRv2
from pgtf_basicsr.methods.networks.texture_warping import DeformableConv
from pgtf_basicsr.methods.networks.vqfr_v1 import Quantizer

from ..helpers.parity import seeded, tensors

FOLDER = Path(__file__).parents[1] / 'fixtures' / 'vqfr'
NETWORKS = {'v1': VQFRv1, 'v2': VQFRv2}
SHORTCUTS = {'v1': '.shortcut_conv.', 'v2': '.residual_func.'}


@functools.cache
def published_state(version):
    """Seeded tensors of a network with 32 channels, by published names."""
    with torch.device('meta'):
        own = NETWORKS[version](32).state_dict()
    shapes = {name.replace('.shortcut.', SHORTCUTS[version]): tuple(tensor.shape) for name, tensor in own.items()}
    return tensors(seeded.state_dict(shapes))


@functools.cache
def network(version):
    net = NETWORKS[version](32).eval()
    load_weights(net, published_state(version), version)
    return net


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Checkpoints of both versions, as published: with the key params_ema."""
    folder = tmp_path_factory.mktemp('weights')
    for version in NETWORKS:
        torch.save({'params_ema': published_state(version)}, folder / f'{version}.pth')
    return folder


def method(weights, **options):
    """VQFR for frames of 64x64."""
    built = build_method(dict(type='VQFR', weights=str(weights), device='cpu', **options))
    built.needs = replace(built.needs, size=64)
    return built


def clip(number=2):
    return list(torch.from_numpy(seeded.frames(3, (number, 3, 64, 64))))


@pytest.mark.parametrize('version', NETWORKS)
def test_names_and_shapes_are_the_published_ones(version):
    shapes = json.loads((FOLDER / 'tensors.json').read_text())[version]
    with torch.device('meta'):
        net = NETWORKS[version]()
        published = {name: torch.empty(shape) for name, shape in shapes.items()}
    load_weights(net, published, 'the published checkpoint', assign=True)


def test_the_paper_counts_the_parameters_that_are_trained():
    """76.3 M (supplementary material): all but the codebook, which is trained before and then frozen."""
    with torch.device('meta'):
        net = VQFRv1()
    trained = sum(tensor.numel() for name, tensor in net.named_parameters() if name != VQFRv1.CODEBOOK)
    assert round(trained / 1e6, 1) == 76.3


@pytest.mark.parametrize('version, arguments', [('v1', ()), ('v2', (0.0,)), ('v2', (0.5,))])
@torch.no_grad()
def test_output_is_the_published_one(version, arguments):
    net = network(version)
    frames = torch.from_numpy(seeded.frames(5, (1, 3, 64, 96))) * 2 - 1
    expected = np.load(FOLDER / 'outputs.npz')[' '.join(map(str, (version, *arguments)))]
    np.testing.assert_allclose(seeded.sample(net(frames, *arguments).numpy(), 1024), expected, rtol=0, atol=1e-4)


@torch.no_grad()
def test_deformable_convolution_moves_each_group_by_its_offsets():
    groups, shifts = 4, [(0, 0), (1, 0), (-2, 3), (0.5, -1)]
    conv = DeformableConv(groups, groups)
    conv.weight.zero_()[range(groups), range(groups), 1, 1] = 1
    conv.conv_offset.weight.zero_()
    offsets = torch.tensor(shifts)[:, None].expand(-1, 9, -1).flatten()
    conv.conv_offset.bias.copy_(torch.cat([offsets, torch.zeros(groups * 9)]))  # modulation 1/2
    x = torch.rand(1, groups, 12, 12)
    moved = conv(x, torch.zeros_like(x))
    inner = slice(4, 8)
    for group, (down, right) in enumerate(shifts):
        rows = [x[0, group, 4 + step : 8 + step, 4 + right : 8 + right] for step in (floor(down), ceil(down))]
        torch.testing.assert_close(moved[0, group, inner, inner], (rows[0] + rows[1]) / 2 / 2)


@torch.no_grad()
def test_deformable_convolution_is_that_of_basicsr():
    conv, stock = DeformableConv(8), DCNv2Pack(8, 8, 3, padding=1, deformable_groups=4)
    stock.load_state_dict(conv.state_dict())
    x, features = torch.randn(2, 2, 8, 9, 11).unbind()
    torch.testing.assert_close(conv(x, features), stock(x, features))


@torch.no_grad()
def test_latents_become_the_nearest_codes():
    quantizer = Quantizer(6, 20, 6)
    for conv in (quantizer.quant_conv, quantizer.post_quant_conv):
        conv.weight.copy_(torch.eye(6)[..., None, None])
        conv.bias.zero_()
    latents, codes = torch.randn(2, 6, 3, 5), quantizer.embedding.weight
    quantised = quantizer(latents)
    for frame, row, column in np.ndindex(2, 3, 5):
        distances = [float(((latents[frame, :, row, column] - code) ** 2).sum()) for code in codes]
        assert torch.equal(quantised[frame, :, row, column], codes[int(np.argmin(distances))])


@pytest.mark.parametrize('version, options, arguments', [('v1', {}, ()), ('v2', {}, ()), ('v2', {'fidelity': 1}, (1,))])
@torch.no_grad()
def test_method_restores_each_frame_by_the_network_of_the_weights(weights, version, options, arguments):
    net, frames = network(version), clip()
    expected = [((net(frame[None] * 2 - 1, *arguments)[0] + 1) / 2).clamp(0, 1) for frame in frames]
    restored = list(method(weights / f'{version}.pth', **options).restore(frames))
    torch.testing.assert_close(torch.stack(restored), torch.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize('version', NETWORKS)
def test_method_runs_in_bf16(weights, version):
    restored = next(method(weights / f'{version}.pth', precision='bf16').restore(clip(1)))
    assert restored.dtype == torch.float32 and torch.isfinite(restored).all() and restored.std() > 0.05


def test_version_1_has_no_fidelity(weights):
    with pytest.raises(UserError, match=r'v1\.pth is of version 1 of VQFR, which has no fidelity'):
        method(weights / 'v1.pth', fidelity=0.5)


def test_weights_of_other_networks_are_refused(tmp_path):
    states = {
        'holds no weights of VQFR': {'encoder.conv_in.weight': torch.zeros(32, 3, 3, 3)},
        'cannot be loaded as VQFRv2: .* multiple of 32': {
            'encoder.conv_in.weight': torch.zeros(20, 3, 3, 3),
            VQFRv2.CODEBOOK: torch.zeros(8, 8),
        },
        'cannot be loaded as VQFRv1: ': {
            'encoder.conv_in.weight': torch.zeros(32, 3, 3, 3),
            VQFRv1.CODEBOOK: torch.zeros(8, 8, 8, 8, 8),
        },
        'does not fit VQFRv2: missing: inpfeat_extraction.weight': {
            'encoder.conv_in.weight': torch.zeros(32, 3, 3, 3),
            VQFRv2.CODEBOOK: torch.zeros(8, 8),
        },
    }
    for message, state in states.items():
        path = tmp_path / 'other.pth'
        torch.save(state, path)
        with pytest.raises(UserError, match=message):
            method(path)
