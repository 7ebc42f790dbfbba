"""The networks compute on a GPU what the published implementation computes, in every precision."""

import copy

import pytest
import torch

from pgtf_basicsr.archs import PGTFormer, VQGANDiscriminator
from pgtf_basicsr.archs.blocks import ResidualBlock, Swin3DLayer, TemporalFidelityRegulator
from pgtf_basicsr.archs.blocks.code_predictor import PredictorLayer
from pgtf_basicsr.archs.inference import for_inference
from pgtf_basicsr.archs.published_names import own_state_dict
from pgtf_basicsr.devices import PRECISIONS

from ..helpers import parity
from ..helpers.closeness import decibels
from ..helpers.parity import fixture, seeded

pytestmark = pytest.mark.gpu

# Of a layer in dB. A number of bf16 has 8 significant bits and one of fp16 has 11, 6 dB each; some are lost on the way.
LAYER_BOUNDS = {'fp32': 115, 'bf16': 42, 'fp16': 60}
# Of the whole network, with its hundred layers in a row.
NETWORK_BOUNDS = {'fp32': 75, 'bf16': 18, 'fp16': 34}
# Share of codes that must be the published ones. Weights are random: many codes are nearly as likely as the next.
CODE_BOUNDS = {'fp32': 0.999, 'bf16': 0.6, 'fp16': 0.9}

LAYERS = {
    'swin3d': (lambda: Swin3DLayer(32, 3, num_heads=4), lambda x: x),
    'swin3d_padded': (lambda: Swin3DLayer(32, 3, num_heads=4), lambda x: x),
    'resblock': (lambda: ResidualBlock(32, 64), lambda x: x.flatten(0, 1)),
    'tfr': (lambda: TemporalFidelityRegulator(64, 3), lambda x: x.flatten(0, 1)),
    'predictor_layer': (lambda: PredictorLayer(64, 8, 128), lambda x: x.transpose(0, 1)),
}


def autocast(device, precision):
    return torch.autocast(device.type, PRECISIONS[precision], enabled=precision != 'fp32')


@pytest.mark.parametrize('precision', PRECISIONS)
@torch.no_grad()
def test_layers(precision, device, measured):
    """As training runs them, by autocast."""
    for name, (make, arrange) in LAYERS.items():
        layer = make()
        layer.load_state_dict(own_state_dict(parity.module_state(name)))
        inputs = [arrange(fixture(key)).to(device) for key in (f'{name}/in0', f'{name}/in1') if key in parity.FIXTURES]
        expected = fixture(f'{name}/out_w1' if name == 'tfr' else f'{name}/out')
        with autocast(device, precision):
            out = layer.eval().to(device)(*inputs, *([1.0] if name == 'tfr' else []))
        measured(f'{name} in dB', decibels(out, arrange(expected)), at_least=LAYER_BOUNDS[precision])


@torch.no_grad()
def test_discriminator(device, measured):
    net = VQGANDiscriminator().eval()
    net.load_state_dict(parity.network_state('discriminator'))
    out = net.to(device)(parity.clip().to(device))
    measured('dB', decibels(sampled(out), fixture('discriminator_out')), at_least=NETWORK_BOUNDS['fp32'])


@torch.no_grad()
def test_pgtformer_at_full_size(device, measured):
    """Plain, and arranged for inference, which `restore` takes; frames of the published codes."""
    net = PGTFormer().eval()
    net.load_state_dict(parity.network_state('pgtformer'))
    net, clip = net.to(device), parity.clip().to(device)
    published = fixture('pgtformer_codes').long()
    for arrangement, precision in [('plain', 'fp32'), *(('arranged', precision) for precision in PRECISIONS)]:
        arranged = net if arrangement == 'plain' else for_inference(copy.deepcopy(net), PRECISIONS[precision])
        latents, features = arranged.encode(clip)
        logits = arranged.predictor(latents, arranged.parsing_features(clip, (32, 32)))
        out = arranged.restore(published[None].to(device), latents, features, 1.0)
        figures = {
            'logits in dB': (decibels(sampled(logits[0]), fixture('pgtformer_w1_logits')), NETWORK_BOUNDS),
            'latents in dB': (decibels(sampled(latents[0]), fixture('pgtformer_w1_lq_feat')), NETWORK_BOUNDS),
            'frames in dB': (decibels(sampled(out[0]), fixture('pgtformer_w1_out')), NETWORK_BOUNDS),
            'codes': ((logits[0].argmax(-1).cpu() == published).float().mean().item(), CODE_BOUNDS),
        }
        for name, (value, bounds) in figures.items():
            measured(f'{arrangement} {precision} {name}', value, at_least=bounds[precision])
        del arranged, latents, features, logits, out


def sampled(tensor):
    """Values of a tensor at the positions of a fixture."""
    return torch.from_numpy(seeded.sample(tensor.float().cpu().numpy()))
