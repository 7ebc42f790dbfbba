"""What users rely on in the networks beyond the published code: shapes, batches, T, training."""

import pytest
import torch

from pgtf_basicsr.archs import TSVQGAN, FaceParsingNet, PGTFormer, VQGANDiscriminator

AUTOENCODER = dict(
    image_size=64,
    width=32,
    multipliers=(1, 1, 2),
    swin_levels=(16,),
    num_heads=4,
    z_channels=32,
    codebook_size=16,
    codebook_dim=32,
)
PREDICTOR = dict(predictor_width=32, predictor_layers=1, predictor_heads=4, predictor_mlp=32, tfr_levels=(32, 16))


def small_vqgan(**changes):
    torch.manual_seed(0)
    return TSVQGAN(**{**AUTOENCODER, **changes})


def small_pgtformer(**changes):
    """A small PGTFormer whose regulators do something, unlike freshly made ones."""
    torch.manual_seed(0)
    net = PGTFormer(**{**AUTOENCODER, **PREDICTOR, **changes})
    for regulator in net.regulators.values():
        for modulation in (regulator.scale, regulator.shift):
            torch.nn.init.normal_(modulation[-1].weight, std=0.05)
    return net


@pytest.mark.parametrize('num_frames, height, width', [(3, 64, 64), (3, 32, 80), (5, 48, 36), (1, 64, 32)])
@torch.no_grad()
def test_any_size_and_length(num_frames, height, width):
    clip = torch.rand(2, num_frames, 3, height, width)
    recon, loss, codes = small_vqgan(num_frames=num_frames).eval()(clip)
    assert recon.shape == clip.shape and loss.dim() == 0
    assert codes.shape == (2, num_frames, height // 4, width // 4) and codes.dtype == torch.int64

    out, logits, latents = small_pgtformer(num_frames=num_frames).eval()(clip, return_codes=True)
    assert out.shape == clip.shape
    assert logits.shape == (*codes.shape, 16) and latents.shape == (*codes.shape, 32)


@torch.no_grad()
def test_batch_equals_its_clips():
    clips = torch.rand(3, 3, 3, 64, 64)
    net = small_pgtformer().eval()
    out, logits, latents = net(clips, return_codes=True)
    for i, clip in enumerate(clips):
        single = net(clip[None], return_codes=True)
        torch.testing.assert_close(out[i], single[0][0], rtol=0, atol=1e-3)
        torch.testing.assert_close(logits[i], single[1][0], rtol=0, atol=2e-4)
        torch.testing.assert_close(latents[i], single[2][0], rtol=0, atol=2e-4)


@torch.no_grad()
def test_code_only_gives_the_same_codes_without_decoding():
    net = small_pgtformer().eval()
    clip = torch.rand(1, 3, 3, 64, 64)
    _, logits, latents = net(clip, return_codes=True)
    net.decoder = None
    for actual, expected in zip(net(clip, code_only=True), (logits, latents)):
        torch.testing.assert_close(actual, expected)


@torch.no_grad()
def test_fidelity_scales_what_the_input_adds():
    """At fidelity 0 the decoder gets nothing from the encoder's features, and results change steadily with it."""
    net = small_pgtformer(adain=False).eval()
    clip = torch.rand(1, 3, 3, 64, 64)
    codes = net(clip, code_only=True)[0].argmax(-1)
    torch.testing.assert_close(net(clip, fidelity=0), net.decode_codes(codes))
    distances = [(net(clip, fidelity=w) - net(clip, fidelity=0)).abs().mean() for w in (0.25, 0.5, 1.0)]
    assert 0 < distances[0] < distances[1] < distances[2]


@pytest.mark.parametrize(
    'shape', [(1, 3, 3, 64, 62), (1, 4, 3, 64, 64), (1, 3, 1, 64, 64), (3, 3, 64, 64), (1, 3, 3, 4, 4)]
)
@pytest.mark.parametrize('make', [small_vqgan, small_pgtformer])
def test_other_shapes_are_told_what_fits(make, shape):
    with pytest.raises(ValueError, match=r'\(B, 3, 3, H, W\) with H and W multiples of 4'):
        make().eval()(torch.zeros(shape))


def test_levels_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r'swin_levels \[20\]'):
        small_vqgan(swin_levels=(20,))
    with pytest.raises(ValueError, match=r'tfr_levels \[512\]'):
        small_pgtformer(tfr_levels=(512,))


@pytest.mark.parametrize('make', [small_vqgan, small_pgtformer, FaceParsingNet, VQGANDiscriminator])
def test_train_and_eval_return_the_network(make):
    net = make()
    assert net.train() is net and net.training
    assert net.eval() is net and not net.training


@torch.no_grad()
def test_own_state_dict_survives_saving(tmp_path):
    net = small_pgtformer().eval()
    torch.save(net.state_dict(), tmp_path / 'net.pth')
    other = PGTFormer(**AUTOENCODER, **PREDICTOR).eval()
    other.load_state_dict(torch.load(tmp_path / 'net.pth', weights_only=True))
    clip = torch.rand(1, 3, 3, 64, 64)
    assert torch.equal(net(clip), other(clip))


@torch.no_grad()
def test_pgtformer_takes_over_the_autoencoder():
    vqgan = small_vqgan(codebook_decay=0.5).eval()
    net = PGTFormer(**AUTOENCODER, **PREDICTOR).eval()
    net.load_autoencoder(vqgan.state_dict())
    clip = torch.rand(1, 3, 3, 64, 64)
    assert torch.equal(net.encode_codes(clip), vqgan.encode_codes(clip))
    codes = vqgan.encode_codes(clip)
    assert torch.equal(net.decode_codes(codes), vqgan.decode_codes(codes))


def test_gradients_of_pixels_reach_regulators_not_predictor():
    net = small_pgtformer()
    net(torch.rand(1, 3, 3, 64, 64)).square().mean().backward()
    reached = {
        name.split('.')[0] for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert 'regulators' in reached and not reached & {'encoder', 'predictor', 'to_latents', 'parsing_net'}


def test_activation_checkpointing_changes_no_gradient():
    clip = torch.rand(1, 3, 3, 64, 64)
    gradients = []
    for enabled in (False, True):
        net = small_vqgan()
        net.set_activation_checkpointing(enabled)
        net(clip)[0].square().mean().backward()
        gradients.append([p.grad for p in net.parameters()])
    for plain, checkpointed in zip(*gradients):
        torch.testing.assert_close(plain, checkpointed)


def test_an_untrained_regulator_changes_nothing():
    net = PGTFormer(**AUTOENCODER, **PREDICTOR).eval()
    clip = torch.rand(1, 3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(clip, fidelity=1), net(clip, fidelity=0))


@torch.no_grad()
def test_face_parsing_is_facexlibs():
    from facexlib.parsing.bisenet import BiSeNet

    torch.manual_seed(0)
    theirs, ours = BiSeNet(19).eval(), FaceParsingNet().eval()
    assert len(theirs.state_dict()) == 191
    ours.load_state_dict(theirs.state_dict())
    frames = torch.rand(1, 3, 64, 96)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (frames - mean[:, None, None]) / std[:, None, None]
    for actual, expected in zip(ours(frames), theirs(normalised)):
        torch.testing.assert_close(actual, expected)


def test_discriminator_folds_clips():
    net = VQGANDiscriminator(num_feat=8, num_layers=2).eval()
    clip = torch.rand(2, 3, 3, 64, 64)
    assert torch.equal(net(clip), net(clip.flatten(0, 1))) and net(clip).shape == (6, 1, 14, 14)
