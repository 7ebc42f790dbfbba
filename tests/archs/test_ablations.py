"""Variants of the network: what each lacks, counted by hand, and that it restores, streams and loads as the network."""

import copy

import pytest
import torch
from facexlib.parsing.bisenet import BiSeNet

from pgtf_basicsr.archs import TSVQGAN, PGTFormer
from pgtf_basicsr.archs.inference import for_inference
from pgtf_basicsr.archs.published_names import own_state_dict, published_state_dict
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.restoration.faces.restoration import uses_parsing

from .test_networks import small_pgtformer, small_vqgan

LEARNED = dict(predictor_position='learned')
SPATIAL = dict(predictor_attention='spatial')
# No layer of it sees two frames.
PER_FRAME = dict(swin3d=False, tfr_temporal=False, **SPATIAL)


def conv(channels, out, kernel):
    return channels * out * kernel**2 + out


def swin_layer(channels, num_frames=3, window=4, heads=8):
    """Two blocks: two norms, q, kv, the projection, the table of position biases, an MLP of ratio 1."""
    linear = channels**2 + channels
    block = 2 * 2 * channels + 6 * linear + (2 * num_frames - 1) * (2 * window - 1) ** 2 * heads
    return 2 * block


def residual_block(channels, out):
    """Two norms, two convolutions, and a shortcut of other channels."""
    return 2 * channels + conv(channels, out, 3) + 2 * out + conv(out, out, 3) + conv(channels, out, 1)


def modulated(channels, features):
    """The residual block of a regulator, scale and shift."""
    return residual_block(features, channels) + 4 * conv(channels, channels, 3)


def temporal_layers(channels, num_frames=3, reduced=32):
    """Two reductions, the mix of all frames, the mix of channels."""
    mix = conv(2 * num_frames * reduced, num_frames * reduced, 1)
    return 2 * conv(channels, reduced, 1) + mix + conv(reduced, reduced, 1)


# Of the levels 32, 64, 128 and 256, which have regulators.
REGULATED = (512, 256, 256, 128)
# Encoder: a layer at 128, 64 and 32 and in the middle; decoder: two, and one.
SWIN = sum(swin_layer(channels) for channels in (256, 256, 512, 512) + (256, 256) * 2 + (512, 512, 512))
with torch.device('meta'):
    PARSING = sum(parameter.numel() for parameter in BiSeNet(19).parameters()) + conv(57, 512, 1)
REMOVED = {
    'Swin3D off': (dict(swin3d=False), SWIN),
    # A vector for each of 3 * 32 * 32 tokens in place of face parsing and its convolution; or for each of a frame.
    'learned position code': (LEARNED, PARSING - 3 * 32 * 32 * 512),
    'spatial attention': (SPATIAL, 0),
    'both': (LEARNED | SPATIAL, PARSING - 32 * 32 * 512),
    'no TFR': (dict(tfr_levels=()), sum(temporal_layers(c) + modulated(c, 2 * c + 32) for c in REGULATED)),
    'spatial TFR': (
        dict(tfr_temporal=False),
        sum(temporal_layers(c) + modulated(c, 2 * c + 32) - modulated(c, 2 * c) for c in REGULATED),
    ),
}


@pytest.mark.parametrize('name', REMOVED)
def test_parameters_differ_by_the_layers_that_a_variant_lacks(name):
    changes, removed = REMOVED[name]
    with torch.device('meta'):
        full, variant = (
            {key: parameter.shape for key, parameter in PGTFormer(**arguments).named_parameters()}
            for arguments in ({}, changes)
        )
    assert sum(map(torch.Size.numel, full.values())) - sum(map(torch.Size.numel, variant.values())) == removed
    touched = {key.split('.')[0] for key in full.keys() ^ variant.keys()} | {
        key.split('.')[0] for key in full.keys() & variant.keys() if full[key] != variant[key]
    }
    assert (
        touched
        == {
            'Swin3D off': {'encoder', 'decoder'},
            'learned position code': {'parsing_net', 'predictor'},
            'spatial attention': set(),
            'both': {'parsing_net', 'predictor'},
            'no TFR': {'regulators'},
            'spatial TFR': {'regulators'},
        }[name]
    )


def test_the_image_vqgan_lacks_the_same_layers():
    with torch.device('meta'):
        counts = [sum(p.numel() for p in TSVQGAN(swin3d=swin3d).parameters()) for swin3d in (True, False)]
    assert counts[0] - counts[1] == SWIN


@torch.no_grad()
def outputs(net):
    """Results of a network for two clips that differ in their last frame alone."""
    clip = torch.rand(1, 3, 3, 48, 36, generator=torch.Generator().manual_seed(0))
    other = torch.cat([clip[:, :2], 1 - clip[:, 2:]], dim=1)
    options = dict(return_codes=True) if isinstance(net, PGTFormer) else {}
    return [[x[:, :2] for x in net(frames, **options) if x.dim() > 0] for frames in (clip, other)]


@pytest.mark.parametrize(
    'make, isolated, sees',
    [
        (small_vqgan, dict(swin3d=False), dict(swin3d=True)),
        (small_pgtformer, PER_FRAME, dict(swin3d=True)),
        (small_pgtformer, PER_FRAME, dict(predictor_attention='space-time')),
        (small_pgtformer, PER_FRAME | LEARNED, dict(predictor_attention='space-time')),
        (small_pgtformer, PER_FRAME, dict(tfr_temporal=True)),
        (small_pgtformer, PER_FRAME | dict(tfr_levels=()), dict(swin3d=True)),
    ],
)
def test_each_switch_lets_frames_see_each_other(make, isolated, sees):
    for changes, alike in ((isolated, True), (isolated | sees, False)):
        first, second = outputs(make(**changes).eval())
        assert all(map(torch.equal, first, second)) == alike


@torch.no_grad()
def test_a_learned_position_tells_frames_apart_in_space_time_alone():
    """Frames of a still clip differ in nothing but their place, which Swin layers know as well."""
    clip = torch.rand(1, 1, 3, 32, 80).expand(-1, 3, -1, -1, -1)
    for changes, alike in ((LEARNED, False), (LEARNED | SPATIAL, True), ({}, True)):
        logits, _ = small_pgtformer(swin3d=False, **changes).eval()(clip, code_only=True)
        assert torch.allclose(logits[:, 0], logits[:, 1], rtol=0, atol=1e-5) == alike


def test_a_learned_position_is_trained():
    net = small_pgtformer(**LEARNED)
    assert net.parsing_net is None
    net(torch.rand(1, 3, 3, 48, 36), code_only=True)[0].square().mean().backward()
    assert net.predictor.position.embedding.grad.abs().sum() > 0


@pytest.mark.parametrize('changes', [PER_FRAME | LEARNED, dict(tfr_temporal=False), PER_FRAME | dict(tfr_levels=())])
@torch.no_grad()
def test_variants_are_as_exact_when_arranged_for_inference(changes):
    net = small_pgtformer(**changes).eval()
    clip = torch.rand(2, 3, 3, 48, 64)
    exact, plain = copy.deepcopy(net).double()(clip.double(), 0.7), net(clip, 0.7)
    fast = for_inference(copy.deepcopy(net))(clip, 0.7)
    bound = 2 * (plain - exact).abs().max() + 8 * torch.finfo(torch.float32).eps * exact.abs().max()
    assert (fast - exact).abs().max() <= bound


def test_variants_survive_saving(tmp_path):
    net = small_pgtformer(**PER_FRAME, **LEARNED).eval()
    net.save_pretrained(tmp_path)
    loaded = PGTFormer.from_pretrained(tmp_path)
    assert loaded.arguments == net.arguments
    state = own_state_dict(published_state_dict(loaded, loaded.state_dict()))
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())


def test_masks_of_faces_need_face_parsing():
    net = small_pgtformer(**LEARNED)
    assert not uses_parsing(net, 'auto')
    with pytest.raises(UserError, match='mask cannot be parsing'):
        uses_parsing(net, 'parsing')
