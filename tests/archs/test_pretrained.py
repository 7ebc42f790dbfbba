"""Networks from folders, checkpoints and the cache of the Hugging Face Hub, and back."""

import json
import sys
from importlib.util import find_spec

import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin, constants
from safetensors.torch import save_file

from pgtf_basicsr.archs import TSVQGAN, FaceParsingNet, PGTFormer
from pgtf_basicsr.archs.inference import for_inference
from pgtf_basicsr.archs.published_arguments import own_arguments
from pgtf_basicsr.archs.published_names import published_state_dict
from pgtf_basicsr.checkpoints import read_checkpoint
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.restoration.networks import load_network

from ..helpers import parity
from ..helpers.extras import assert_not_imported
from ..helpers.processes import Run

AUTOENCODER = dict(
    image_size=32,
    num_frames=1,
    width=32,
    multipliers=(1, 1, 1),
    swin_levels=(8,),
    num_heads=4,
    z_channels=32,
    codebook_size=16,
    codebook_dim=32,
)
PREDICTOR = dict(predictor_width=32, predictor_layers=1, predictor_heads=2, predictor_mlp=32, tfr_levels=(8,))
NETWORKS = {
    TSVQGAN: AUTOENCODER,
    PGTFormer: {**AUTOENCODER, **PREDICTOR, 'adain': False},
    FaceParsingNet: dict(num_classes=5),
}


class HubPGTFormer(PyTorchModelHubMixin, PGTFormer):
    """As a user of huggingface_hub would publish it."""


# PGTFormer only where it matters: its face parsing network makes it large.
def make(architecture=TSVQGAN, **changes):
    torch.manual_seed(0)
    return architecture(**{**NETWORKS[architecture], **changes}).eval()


def assert_same(net, other):
    assert type(net) is type(other) and net.arguments == other.arguments
    assert_same_weights(net, other)


def assert_same_weights(net, other):
    state, others = net.state_dict(), other.state_dict()
    assert list(state) == list(others) and all(torch.equal(state[name], others[name]) for name in state)


def fill_hub_cache(cache, net, hub_id):
    """Put a network into a cache of the Hub, as a download does."""
    folder = cache / f'models--{hub_id.replace("/", "--")}'
    net.save_pretrained(folder / 'snapshots' / 'abc')
    (folder / 'refs').mkdir()
    (folder / 'refs' / 'main').write_text('abc')


@pytest.mark.parametrize('architecture', NETWORKS)
def test_a_folder_brings_the_network_back(architecture, tmp_path):
    net = make(architecture)
    net.save_pretrained(tmp_path / 'new' / 'folder')
    assert {path.name for path in (tmp_path / 'new' / 'folder').iterdir()} == {'config.json', 'model.safetensors'}
    loaded = architecture.from_pretrained(tmp_path / 'new' / 'folder')
    assert_same(loaded, net)
    assert not loaded.training and all(parameter.requires_grad for parameter in loaded.parameters())


def test_positional_arguments_are_saved_too(tmp_path):
    TSVQGAN(32, 1, 32, (1, 2), (), num_heads=4).save_pretrained(tmp_path)
    loaded = TSVQGAN.from_pretrained(tmp_path)
    assert loaded.arguments['multipliers'] == [1, 2] and loaded.arguments['swin_levels'] == []


def test_folders_of_the_mixin_are_read(tmp_path):
    torch.manual_seed(0)
    net = HubPGTFormer(**NETWORKS[PGTFormer]).eval()
    net.save_pretrained(tmp_path)
    loaded = PGTFormer.from_pretrained(tmp_path)
    assert_same_weights(loaded, net)
    assert loaded.adain is False and loaded.num_frames == 1


def test_the_mixin_reads_folders(tmp_path):
    net = make(PGTFormer)
    net.save_pretrained(tmp_path)
    loaded = HubPGTFormer.from_pretrained(tmp_path)
    assert_same_weights(loaded, net)
    assert loaded.adain is False and loaded.predictor.layers[0].self_attn.num_heads == 2


def test_the_weights_of_a_folder_are_a_checkpoint(tmp_path):
    net = make(PGTFormer)
    net.save_pretrained(tmp_path)
    assert_same(load_network(tmp_path / 'model.safetensors'), net)
    assert read_checkpoint(tmp_path / 'model.safetensors').network == {'type': 'PGTFormer', **net.arguments}


def test_a_checkpoint_is_read_with_its_ema_weights(tmp_path):
    net, other = make(), make()
    torch.nn.init.zeros_(other.decoder.conv_out.weight)
    network = {'type': 'TSVQGAN', **net.arguments}
    contents = {'params': other.state_dict(), 'params_ema': net.state_dict(), 'network': network}
    torch.save(contents, tmp_path / 'net_g_8.pth')
    assert_same(TSVQGAN.from_pretrained(tmp_path / 'net_g_8.pth'), net)


def test_weights_alone_take_arguments(tmp_path):
    """Convolutions are in fp16; what is loaded is fp32."""
    net = make()
    state = {name: tensor.half() if tensor.dim() == 4 else tensor for name, tensor in net.state_dict().items()}
    save_file(state, tmp_path / 'bare.safetensors')
    loaded = TSVQGAN.from_pretrained(tmp_path / 'bare.safetensors', **AUTOENCODER)
    assert loaded.arguments == net.arguments
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype in (torch.float32, torch.int64)
        torch.testing.assert_close(tensor, net.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_published_names_are_read(tmp_path):
    net = make(PGTFormer)
    torch.save({'params': parity.published_names(net.state_dict())}, tmp_path / 'published.pth')
    assert_same(PGTFormer.from_pretrained(tmp_path / 'published.pth', **NETWORKS[PGTFormer]), net)


# `network_g` of the published option file of stage IV, and the defaults of the published class for the rest, which is
# what huggingface_hub's mixin writes into config.json.
PUBLISHED = dict(
    type='PGTFormer',
    dim_embd=512,
    n_head=8,
    n_layers=9,
    connect_list=['32', '64', '128', '256'],
    fix_modules=['quantizer', 'decoder', 'conditionnet'],
    w=1,
    detach_16=True,
    adain=True,
    tf=3,
    droprate=0.0,
    checkpointing=False,
    bottleneck_type='rq',
    embed_dim=512,
    n_embed=1024,
    latent_shape=[32, 32, 512],
    code_shape=[32, 32, 1],
    shared_codebook=True,
    decay=0.99,
    restart_unused_codes=True,
    loss_type='mse',
    latent_loss_weight=0.25,
    ddconfig=dict(
        double_z=False,
        z_channels=256,
        resolution=512,
        in_channels=3,
        stages_atten=4,
        window_size=[5, 5, 5],
        num_head=8,
        out_ch=3,
        ch=64,
        ch_mult=[1, 2, 4, 4, 8],
        depths=[2, 2, 2, 2, 2],
        num_heads=[8, 8, 8, 8, 8],
        window_sizes=[[4, 4]] * 5,
        num_frames=3,
        num_res_blocks=1,
        attn_resolutions=[32, 64, 128],
        dropout=0.0,
    ),
)


def published_folder(path, net, config):
    """A folder as the authors publish theirs, with a small network in it."""
    path.mkdir()
    weights = {name: tensor.clone() for name, tensor in published_state_dict(net, net.state_dict()).items()}
    save_file(weights, path / 'model.safetensors', {'format': 'pt'})
    (path / 'config.json').write_text(json.dumps(config))
    return path


def test_the_arguments_of_the_published_network_are_the_defaults():
    with torch.device('meta'):
        net = PGTFormer()
        assert PGTFormer(**own_arguments(PUBLISHED)).arguments == net.arguments
        assert own_arguments({**PUBLISHED, 'adain': False, 'n_head': 4}) == {
            **own_arguments(PUBLISHED),
            **dict(adain=False, predictor_heads=4),
        }


def test_folders_of_the_published_code_are_read(tmp_path, monkeypatch):
    """By path and from the Hub's cache, in Python and by commands."""
    arguments = {**NETWORKS[PGTFormer], 'predictor_mlp': 64}
    net = make(PGTFormer, **arguments)
    small = dict(ch=32, ch_mult=[1, 1, 1], num_heads=[4] * 3, window_sizes=[[4, 4]] * 3, num_frames=1, z_channels=32)
    autoencoder = {**PUBLISHED['ddconfig'], **small, 'resolution': 32, 'attn_resolutions': [8]}
    changes = dict(dim_embd=32, n_head=2, n_layers=1, connect_list=['8'], n_embed=16, embed_dim=32, adain=False)
    config = {**PUBLISHED, **changes, 'ddconfig': autoencoder}
    folder = published_folder(tmp_path / 'published', net, config)
    assert_same(PGTFormer.from_pretrained(folder), net)
    assert_same(load_network(folder), net)
    assert_same(load_network(folder / 'model.safetensors'), net)

    cached = tmp_path / 'hub' / 'models--kepeng--pgtformer-base'
    (cached / 'refs').mkdir(parents=True)
    (cached / 'refs' / 'main').write_text('abc')
    (cached / 'snapshots').mkdir()
    folder.rename(cached / 'snapshots' / 'abc')
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    monkeypatch.chdir(tmp_path)
    assert_same(PGTFormer.from_pretrained('kepeng/pgtformer-base', cache_dir=tmp_path / 'hub'), net)
    assert_same(load_network('kepeng/pgtformer-base'), net)


@pytest.mark.parametrize('config', [{'ddconfig': {}}, {'ddconfig': None}, {**PUBLISHED, 'connect_list': ['large']}, {}])
def test_of_published_arguments_that_are_not_understood_the_tensors_decide(config, tmp_path, caplog):
    """Those of the paper are taken, which a line says, and which do not fit a small network."""
    folder = published_folder(tmp_path / 'published', make(PGTFormer), config)
    for load in (PGTFormer.from_pretrained, load_network):
        caplog.clear()
        refusal(lambda load=load: load(folder), 'model.safetensors, loaded into .* does not fit PGTFormer')
        (line,) = caplog.messages
        assert 'config.json does not have the arguments of the published PGTFormer: those of its paper' in line
    assert PGTFormer.from_pretrained(folder, **NETWORKS[PGTFormer]).num_frames == 1


def test_arguments_replace_those_of_the_folder(tmp_path):
    make().save_pretrained(tmp_path)
    assert TSVQGAN.from_pretrained(tmp_path, codebook_decay=0.5).codebook.decay == 0.5


def test_a_model_of_the_hub_is_taken_from_its_cache(tmp_path):
    net = make()
    fill_hub_cache(tmp_path, net, 'someone/vqgan-small')
    loaded = TSVQGAN.from_pretrained('someone/vqgan-small', cache_dir=tmp_path, local_files_only=True)
    assert_same(loaded, net)


def refusal(call, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        call()
    assert '\n' not in str(caught.value)


def test_without_network_the_hub_is_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    for options in ({}, {'local_files_only': True}):
        refusal(
            lambda options=options: PGTFormer.from_pretrained('someone/else', cache_dir=tmp_path, **options),
            f'no file or folder someone/else .* not in the cache {tmp_path}, and it cannot be fetched from the Hugging '
            'Face Hub: HF_HUB_OFFLINE is set',
        )


def test_without_huggingface_hub_the_hub_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    refusal(lambda: PGTFormer.from_pretrained('someone/else'), r'someone/else .*; .* pip install "pgtf-basicsr\[hub\]"')


@pytest.mark.parametrize('path', ['missing', 'missing/net_g.pth', '/missing/folder', './a/b', 'a/b.safetensors'])
def test_what_cannot_be_on_the_hub_is_not_looked_for_there(path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    refusal(lambda: PGTFormer.from_pretrained(path), f'no file or folder {path} ')


def broken_folder(path, name):
    make().save_pretrained(path)
    if name == 'no weights':
        (path / 'model.safetensors').unlink()
    elif name == 'torn weights':
        whole = (path / 'model.safetensors').read_bytes()
        (path / 'model.safetensors').write_bytes(whole[: len(whole) // 2])
    elif name == 'no JSON':
        (path / 'config.json').write_text('{')
    elif name == 'a list':
        (path / 'config.json').write_text('[1]')
    else:
        config = json.loads((path / 'config.json').read_text())
        (path / 'config.json').write_text(json.dumps({**config, **name}))
    return path


@pytest.mark.parametrize(
    'broken, complaint',
    [
        ('no weights', 'weights not found: .*model.safetensors'),
        ('torn weights', 'model.safetensors cannot be read as weights'),
        ('no JSON', 'config.json cannot be read as JSON'),
        ('a list', "config.json must hold the network's arguments"),
        ({'wdith': 3}, 'the TSVQGAN of .* cannot be built: .*wdith'),
        ({'num_heads': 0}, 'the TSVQGAN of .* cannot be built: '),
        ({'codebook_size': 8}, 'does not fit TSVQGAN: of another shape: codebook.weight'),
    ],
)
def test_broken_folders_are_a_line(broken, complaint, tmp_path):
    refusal(lambda: TSVQGAN.from_pretrained(broken_folder(tmp_path, broken)), complaint)


def test_another_network_is_named(tmp_path):
    make(TSVQGAN).save_pretrained(tmp_path)
    refusal(lambda: PGTFormer.from_pretrained(tmp_path), 'holds a TSVQGAN, not a PGTFormer')


def test_what_could_not_be_loaded_is_not_written(tmp_path):
    net = for_inference(make(PGTFormer))
    refusal(lambda: net.save_pretrained(tmp_path / 'x'), 'the network to save does not fit PGTFormer: ')
    assert not (tmp_path / 'x').exists()


def test_a_folder_that_cannot_be_written_is_a_line(tmp_path):
    (tmp_path / 'file').write_text('')
    refusal(lambda: make().save_pretrained(tmp_path / 'file'), 'cannot make the folder .*file: File exists')


def test_importing_the_package_imports_neither_extra(tmp_path):
    assert find_spec('huggingface_hub') and find_spec('spandrel')
    assert Run(tmp_path, 'restore', '--help', before=assert_not_imported).statuses() == [0]
