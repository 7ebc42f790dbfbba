"""PGTFormer through spandrel, recognised by its tensors."""

import pytest
import spandrel
import torch
from safetensors.torch import save_file

from pgtf_basicsr.archs import TSVQGAN, PGTFormer, spandrel_architecture
from pgtf_basicsr.archs.published_names import own_state_dict
from pgtf_basicsr.errors import UserError

from ..helpers import parity

SMALL = dict(
    image_size=64,
    num_frames=3,
    width=32,
    multipliers=(1, 2, 1),
    swin_levels=(16,),
    num_heads=4,
    window_size=2,
    mlp_ratio=2.0,
    z_channels=64,
    codebook_size=16,
    codebook_dim=24,
    predictor_width=32,
    predictor_layers=2,
    predictor_heads=8,
    predictor_mlp=48,
    tfr_levels=(16, 32),
    tfr_channels=32,
    num_classes=7,
)
# Its network has the same module names in part.
OTHER = dict(image_size=64, width=32, multipliers=(1, 2), swin_levels=(), z_channels=32, codebook_dim=32)


@pytest.fixture
def registry(monkeypatch):
    """spandrel's registry with PGTFormer in it, for the time of a test."""
    registry = spandrel.MAIN_REGISTRY.copy()
    monkeypatch.setattr(spandrel, 'MAIN_REGISTRY', registry)
    spandrel_architecture.install()
    return registry


def make(**changes):
    torch.manual_seed(0)
    net = PGTFormer(**{**SMALL, **changes}).eval()
    for regulator in net.regulators.values():
        for modulation in (regulator.scale, regulator.shift):
            torch.nn.init.normal_(modulation[-1].weight, std=0.05)
    return net


def restored(net, image):
    """The middle frame of a still clip."""
    with torch.no_grad():
        return net(torch.stack([image] * 3, dim=1))[:, 1].clamp(0, 1)


@pytest.mark.parametrize('names', ['own', 'published'])
@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_files_are_recognised_and_restore_as_the_network_does(names, suffix, registry, tmp_path):
    net = make()
    state = net.state_dict() if names == 'own' else parity.published_names(net.state_dict())
    path = tmp_path / f'net.{suffix}'
    if suffix == 'pth':
        torch.save({'params_ema': state, 'network': {'type': 'PGTFormer'}, 'checkpoint': {'iter': 1}}, path)
    else:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    described = spandrel.ModelLoader(registry=registry).load_from_file(path)
    assert described.architecture.id == 'PGTFormer' and isinstance(described, spandrel.ImageModelDescriptor)
    assert described.model.arguments == net.arguments
    image = torch.rand(1, 3, 64, 40)
    assert torch.equal(described(image), restored(net, image))


def test_the_descriptor_says_what_the_network_accepts(registry):
    described = registry.load(make().state_dict())
    assert (described.scale, described.input_channels, described.output_channels) == (1, 3, 3)
    assert described.size_requirements == spandrel.SizeRequirements(minimum=8, multiple_of=4)
    assert described.tiling is spandrel.ModelTiling.DISCOURAGED and described.purpose == 'FaceSR'
    assert described(torch.rand(1, 3, 3, 21)).shape == (1, 3, 3, 21)  # padded, and cut again
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(spandrel.UnsupportedDtypeError):
            described.to(dtype)


@pytest.mark.parametrize('published', [True, False])
def test_the_papers_network_is_read_off_its_tensors(published, registry):
    with torch.device('meta'):
        net = PGTFormer()
        state = net.state_dict()
        if published:
            state = {name: torch.empty(shape) for name, shape in parity.NETWORK_SHAPES['pgtformer'].items()}
    detecting = [support.architecture.id for support in registry.architectures('detection') if support.detect(state)]
    assert detecting == ['PGTFormer']
    read = spandrel_architecture.arguments_of(own_state_dict(state))
    assert {**net.arguments, **read} == net.arguments and len(read) == 17


def test_other_networks_are_left_to_others(registry):
    autoencoder = TSVQGAN(**OTHER).state_dict()
    with pytest.raises(spandrel.UnsupportedModelError):
        registry.load(autoencoder)
    assert not spandrel_architecture.PGTFormerArchitecture().detect(torch.nn.Linear(2, 2).state_dict())


def test_levels_that_could_be_of_several_sizes_are_refused(registry):
    net = make(multipliers=(1, 1, 1), tfr_levels=(16,))
    with pytest.raises(UserError, match=r'regulators \[16\] do not determine the sizes of 3 levels .*from_pretrained'):
        registry.load(net.state_dict())
    image = torch.rand(1, 3, 16, 16)
    assert torch.equal(spandrel_architecture.describe(net)(image), restored(net, image))


@pytest.mark.parametrize(
    'changes',
    [
        dict(swin3d=False),
        dict(predictor_position='learned', predictor_attention='spatial'),
        dict(predictor_position='learned', tfr_temporal=False),
    ],
)
@pytest.mark.parametrize('names', ['own', 'published'])
def test_variants_are_recognised(changes, names, registry):
    net = make(**changes)
    state = net.state_dict() if names == 'own' else parity.published_names(net.state_dict())
    described, image = registry.load(state), torch.rand(1, 3, 64, 40)
    assert torch.equal(described(image), restored(net, image))


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(tfr_levels=()), r'regulators \[\] do not determine the sizes of 3 levels .*from_pretrained'),
        (dict(tfr_temporal=False), 'the tensors do not say how many frames a clip has.*from_pretrained'),
    ],
)
def test_variants_that_tensors_do_not_determine_are_refused(changes, message, registry):
    with pytest.raises(UserError, match=message):
        registry.load(make(**changes).state_dict())


def test_nothing_is_registered_on_import():
    assert 'PGTFormer' not in spandrel.MAIN_REGISTRY


def test_a_second_registration_is_an_error_unless_it_may_be(registry):
    with pytest.raises(spandrel.DuplicateArchitectureError):
        spandrel_architecture.install()
    spandrel_architecture.install(ignore_duplicates=True)
