"""The networks compute what the published implementation computes."""

import pytest
import torch

from pgtf_basicsr.archs import TSVQGAN, PGTFormer, VQGANDiscriminator
from pgtf_basicsr.archs.blocks import Codebook, ResidualBlock, Swin3DLayer, TemporalFidelityRegulator, adain
from pgtf_basicsr.archs.blocks.code_predictor import PredictorLayer
from pgtf_basicsr.archs.published_names import own_state_dict, published_state_dict

from ..helpers import parity
from ..helpers.parity import deviation, fixture

TOLERANCE = 5e-5
IMAGE_TOLERANCE = 2e-4


def loaded(module, name):
    module.load_state_dict(own_state_dict(parity.module_state(name)))
    return module.eval()


def assert_close(actual, expected, tolerance=TOLERANCE):
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize('name', ['swin3d', 'swin3d_padded'])
@torch.no_grad()
def test_swin_layer(name):
    assert_close(loaded(Swin3DLayer(32, 3, num_heads=4), name)(fixture(f'{name}/in0')), fixture(f'{name}/out'))


@torch.no_grad()
def test_residual_block():
    block = loaded(ResidualBlock(32, 64), 'resblock')
    assert_close(block(fixture('resblock/in0').flatten(0, 1)), fixture('resblock/out').flatten(0, 1))


@pytest.mark.parametrize('fidelity, name', [(1.0, 'out_w1'), (0.5, 'out_w05')])
@torch.no_grad()
def test_temporal_fidelity_regulator(fidelity, name):
    regulator = loaded(TemporalFidelityRegulator(64, 3), 'tfr')
    encoder_feature, decoder_feature = (fixture(f'tfr/in{i}').flatten(0, 1) for i in (0, 1))
    actual = regulator(encoder_feature, decoder_feature, fidelity)
    assert_close(actual, fixture(f'tfr/{name}').flatten(0, 1))


@torch.no_grad()
def test_predictor_layer():
    layer = loaded(PredictorLayer(64, 8, 128), 'predictor_layer')
    x, position = (fixture(f'predictor_layer/in{i}').transpose(0, 1) for i in (0, 1))
    assert_close(layer(x, position).transpose(0, 1), fixture('predictor_layer/out'))


def test_adain():
    assert_close(adain(fixture('adain/in0'), fixture('adain/in1')), fixture('adain/out'))


def test_codebook_training_step():
    shapes = parity.MODULE_SHAPES['codebook']
    published = {
        f'quantizer.codebooks.{name}': parity.seeded.tensor(f'quantizer.codebooks.{name}', tuple(shape))
        for name, shape in shapes.items()
    }
    own = own_state_dict(parity.tensors(published))
    codebook = Codebook(32, 16, decay=0.9, restart=False)
    codebook.load_state_dict({name.removeprefix('codebook.'): tensor for name, tensor in own.items()})
    quantised, _, codes = codebook.train()(fixture('codebook/in0'))
    assert_close(quantised, fixture('codebook/out'))
    assert torch.equal(codes, fixture('codebook/codes').long())
    assert_close(codebook.weight, fixture('codebook/after_step/weight')[:-1])
    assert_close(codebook.code_size, fixture('codebook/after_step/cluster_size_ema'))
    assert_close(codebook.code_sum, fixture('codebook/after_step/embed_ema'))


@torch.no_grad()
def test_discriminator():
    net = VQGANDiscriminator().eval()
    net.load_state_dict(parity.network_state('discriminator'))
    assert deviation(net(parity.clip()), 'discriminator_out') < TOLERANCE


@pytest.mark.slow(seconds=80)
@torch.no_grad()
def test_networks_at_full_size():
    """At fidelity 1; the network arranged for inference is tested at the others, see `test_inference`.

    Weights are drawn by their names, so those of both encoders are the same: the clip is encoded once.
    """
    net = PGTFormer().eval()
    state = parity.network_state('pgtformer')
    assert len(state) == 961
    assert sum(tensor.numel() for tensor in net.state_dict().values()) == pytest.approx(130.4e6, rel=1e-3)
    net.load_state_dict(state)
    clip, encoded = parity.clip(), []
    net.encoder.register_forward_hook(lambda encoder, arguments, output: encoded.append(output))
    out, logits, latents = net(clip, return_codes=True)
    assert torch.equal(logits[0].argmax(-1), fixture('pgtformer_codes').long())
    assert deviation(logits[0], 'pgtformer_w1_logits') < TOLERANCE
    assert deviation(latents[0], 'pgtformer_w1_lq_feat') < TOLERANCE
    assert deviation(net.parsing_features(clip, (32, 32)), 'parsing_feat') < TOLERANCE
    assert deviation(out[0], 'pgtformer_w1_out') < IMAGE_TOLERANCE
    assert_ts_vqgan_at_full_size(net.encoder.state_dict(), *encoded, clip)


def assert_ts_vqgan_at_full_size(encoder_state, encoded, clip):
    """Check the autoencoder, given what an encoder with the same weights has made of the clip."""
    net = TSVQGAN().eval()
    net.load_state_dict(parity.network_state('ts_vqgan'))
    own_state = net.encoder.state_dict()
    assert own_state.keys() == encoder_state.keys()
    assert all(torch.equal(tensor, encoder_state[name]) for name, tensor in own_state.items())
    net.encoder.forward = lambda frames: encoded
    inputs = []
    net.codebook.register_forward_pre_hook(lambda codebook, arguments: inputs.append(arguments[0]))
    recon, commitment_loss, codes = net(clip)
    (latents,) = inputs
    assert deviation(recon[0], 'ts_vqgan_out') < TOLERANCE
    assert deviation(latents[0], 'ts_vqgan_latent') < TOLERANCE
    assert torch.equal(codes[0], fixture('ts_vqgan_codes').long())
    assert commitment_loss.item() == pytest.approx(float(parity.FIXTURES['ts_vqgan_quant_loss']), abs=TOLERANCE)


def test_published_names_cover_the_networks():
    """Every tensor of the published checkpoints has its place, with the right shape, without building weights."""
    for name, architecture in (('pgtformer', PGTFormer), ('ts_vqgan', TSVQGAN), ('discriminator', VQGANDiscriminator)):
        with torch.device('meta'):
            own = {key: tuple(tensor.shape) for key, tensor in architecture().state_dict().items()}
            published = {key: torch.empty(shape) for key, shape in parity.NETWORK_SHAPES[name].items()}
        assert {key: tuple(tensor.shape) for key, tensor in own_state_dict(published).items()} == own


@pytest.mark.parametrize('kind, name', [(TSVQGAN, 'ts_vqgan'), (PGTFormer, 'pgtformer')])
def test_own_names_lead_back_to_the_published(kind, name):
    """Each tensor to the name that it came from, whose number it is full of."""
    shapes = parity.NETWORK_SHAPES[name]
    published = {key: torch.tensor(float(number)).expand(shape) for number, (key, shape) in enumerate(shapes.items())}
    with torch.device('meta'):
        net = kind()
    back = published_state_dict(net, own_state_dict(published))
    assert {key: list(tensor.shape) for key, tensor in back.items()} == shapes
    for key, tensor in published.items():
        if key.endswith('relative_position_index'):
            assert_is_index_table(back[key])
        elif key == 'quantizer.codebooks.0.weight':
            assert torch.equal(back[key][:-1], tensor[:-1]) and not back[key][-1].any()
        else:
            assert back[key].shape == tensor.shape and back[key].flatten()[0] == tensor.flatten()[0], key


def assert_is_index_table(table):
    """Row ((dt + T - 1) * 7 + dy + 3) * 7 + dx + 3 for tokens in the order (t, y, x), see docs/design.md."""
    places = [(t, y, x) for t in range(3) for y in range(4) for x in range(4)]
    expected = [[((t - u + 2) * 7 + y - v + 3) * 7 + x - w + 3 for u, v, w in places] for t, y, x in places]
    assert table.tolist() == expected
