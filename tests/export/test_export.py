"""``basicsr export``: other programs get the same network, or nothing."""

import json
import resource

import pytest
import torch
from safetensors import safe_open

from pgtf_basicsr.archs import TSVQGAN, FaceParsingNet, PGTFormer, VQGANDiscriminator
from pgtf_basicsr.archs.published_names import published_state_dict
from pgtf_basicsr.checkpoints import read_checkpoint
from pgtf_basicsr.export import exporting, graph_files
from pgtf_basicsr.restoration.networks import load_network
from pgtf_command import run_command

from ..helpers.small_networks import build, write

TOLERANCE = 1e-4


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def weights(in_folder):
    """A checkpoint of PGTFormer whose EMA is another network than its params."""
    return write(
        'net_g_7.pth', PGTFormer, params=build(PGTFormer, 1).state_dict(), params_ema=build(PGTFormer).state_dict()
    )


def exported(*arguments):
    assert run_command(['export', *map(str, arguments)]) == 0


def refused(capsys, folder, *arguments):
    """Run an export that must fail, and return its line; nothing may be left of it."""
    before = sorted(folder.iterdir())
    assert run_command(['export', *map(str, arguments)]) == 2
    assert sorted(folder.iterdir()) == before
    error = capsys.readouterr().err
    assert error.startswith('basicsr: ') and error.count('\n') == 1 and 'Traceback' not in error
    return error


def assert_same_state(state, net):
    expected = net.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())


def test_safetensors_know_their_network(weights):
    exported(weights, '-o', 'net.safetensors')
    assert_same_state(load_network('net.safetensors').state_dict(), build(PGTFormer))
    with safe_open('net.safetensors', 'pt') as file:
        metadata = {key: json.loads(file.metadata()[key]) for key in ('network', 'checkpoint')}
    read = read_checkpoint('net.safetensors')
    assert metadata == {key: torch.load(weights)[key] for key in metadata}
    assert metadata == {'network': read.network, 'checkpoint': read.origin}


def test_params_are_chosen(weights):
    exported(weights, '-o', 'plain.pth', '--params', 'params')
    contents = torch.load('plain.pth')
    assert contents.keys() == {'params', 'network', 'checkpoint'}
    assert_same_state(contents['params'], build(PGTFormer, 1))


def test_number_formats_stay(in_folder):
    net = build(TSVQGAN).half()
    write('half.pth', TSVQGAN, params=net.state_dict())
    exported('half.pth', '-o', 'half.safetensors')
    assert_same_state(read_checkpoint('half.safetensors').state_dict(), net)


def test_published_names(weights):
    """What the published code loads strictly: every name of a network of these sizes, and the way back."""
    exported(weights, '-o', 'published.pth', '--names', 'published')
    published = torch.load('published.pth')['params_ema']
    net = build(PGTFormer)
    assert published.keys() == published_state_dict(net, net.state_dict()).keys()
    assert torch.equal(published['quantizer.codebooks.0.weight'][:-1], net.codebook.weight)
    assert not published['quantizer.codebooks.0.weight'][-1].any()
    assert_same_state(load_network('published.pth').state_dict(), net)
    exported('published.pth', '-o', 'again.pth')
    assert_same_state(torch.load('again.pth')['params_ema'], net)


@pytest.mark.parametrize('kind', [FaceParsingNet, VQGANDiscriminator])
def test_weights_of_other_networks(in_folder, kind):
    write('net.pth', kind, params=build(kind).state_dict())
    exported('net.pth', '-o', 'net.safetensors')
    assert_same_state(read_checkpoint('net.safetensors').state_dict(), build(kind))


def test_tracing_leaves_the_network_as_it_was(in_folder):
    """Tables that depend on sizes are kept between passes: none without values may be among them."""
    net = build(TSVQGAN)
    graph = exporting.graph_of(net, (48, 64))
    program = graph_files.trace(graph)
    clip = torch.rand(1, 3, 3, 64, 48)
    with torch.no_grad():
        recon, _, codes = net(clip)
        found = program.module()(clip)
    assert torch.equal(found[1], codes) and (found[0] - recon).abs().max() < TOLERANCE


def test_missing_packages_are_named(weights, in_folder, capsys, monkeypatch):
    monkeypatch.setattr(graph_files, 'PACKAGES', ('json', 'onnx_that_is_missing'))
    error = refused(capsys, in_folder, weights, '-o', 'net.onnx')
    assert 'ONNX needs onnx_that_is_missing: pip install "pgtf-basicsr[export]"' in error


def test_another_network_is_not_written(weights, in_folder, capsys, monkeypatch):
    """A wrong graph or tensor is found before the file has its name; an earlier one stays."""
    traced = exporting.GRAPH_FORMATS['.pt2']

    def spoilt(graph, path, metadata):
        net = build(FaceParsingNet)
        with torch.no_grad():
            net.conv_out.conv_out.weight[1] += 0.01
        traced.write(exporting.graph_of(net, (48, 32)), path, metadata)

    monkeypatch.setitem(exporting.GRAPH_FORMATS, '.pt2', traced._replace(write=spoilt))
    write('parsing.pth', FaceParsingNet, params=build(FaceParsingNet).state_dict())
    (in_folder / 'net.pt2').write_text('earlier')
    error = refused(capsys, in_folder, 'parsing.pth', '-o', 'net.pt2', '--size', '48x32')
    assert 'net.pt2 is not written: the exported network is not the original: logits of shape' in error
    assert '×3×32×48 differs by up to ' in error
    assert (in_folder / 'net.pt2').read_text() == 'earlier'

    def write_weights(path, key, state, metadata):
        state['codebook.weight'][3, 4] += 0.5
        torch.save({key: state}, path)

    monkeypatch.setattr(exporting, 'write_weights', write_weights)
    error = refused(capsys, in_folder, weights, '-o', 'net.pth')
    assert 'net.pth is not written: read again, codebook.weight of shape 16×32 differs by up to 0.5' in error


def test_full_disks_are_named(weights, in_folder, capsys):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        for name in ('net.pth', 'net.safetensors'):
            assert f'{name} cannot be written: ' in refused(capsys, in_folder, weights, '-o', name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_mistakes_are_named(weights, in_folder, capsys):
    write('net_d.pth', VQGANDiscriminator, params=build(VQGANDiscriminator).state_dict())
    write('vq.pth', TSVQGAN, params=build(TSVQGAN).state_dict())
    torch.save({'params': {'a': torch.zeros(1)}, 'network': {'type': 'ResNet'}}, 'foreign.pth')
    (in_folder / 'file').write_text('no folder')
    for arguments, complaint in [
        (
            (weights, '-o', 'net.pt'),
            'net.pt names no format: the suffix must be one of .safetensors, .pth, .pt2, .onnx',
        ),
        ((weights, '-o', 'none/net.pth'), 'none/net.pth cannot be written: there is no folder none'),
        ((weights, '-o', f'./{weights}'), 'is the input itself'),
        ((weights, '-o', 'net.pt2', '--names', 'published'), '--names is for weights'),
        ((weights, '-o', 'net.pth', '--fidelity', '0'), '--size and --fidelity are for .pt2 and .onnx'),
        ((weights, '-o', 'net.pt2', '--fidelity', '2'), 'fidelity must be between 0 and 1, not 2'),
        ((weights, '-o', 'net.pt2', '--size', '33'), 'size 33x33 does not fit PGTFormer: sides must be multiples of 2'),
        ((weights, '-o', 'net.pth', '--params', 'ema'), 'net_g_7.pth has no weights called ema, but'),
        (('vq.pth', '-o', 'net.pt2', '--fidelity', '1'), '--fidelity is an argument of PGTFormer, not of TSVQGAN'),
        (('net_d.pth', '-o', 'net.pt2'), 'VQGANDiscriminator is exported as weights alone'),
        (('net_d.pth', '-o', 'd.pth', '--names', 'published'), 'has the published names already'),
        (('foreign.pth', '-o', 'net.pth'), 'foreign.pth names is ResNet: its type must be PGTFormer, TSVQGAN'),
        (('file', '-o', 'net.pth'), 'file cannot be read as weights'),
        (('none.pth', '-o', 'net.pth'), 'weights not found: none.pth'),
    ]:
        assert complaint in refused(capsys, in_folder, *arguments), arguments
