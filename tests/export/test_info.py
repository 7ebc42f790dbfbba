"""``basicsr info``: what a file is, whatever it is."""

import shutil
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from pgtf_basicsr.archs import TSVQGAN, FaceParsingNet, PGTFormer, VQGANDiscriminator
from pgtf_command import run_command

from ..helpers.small_networks import OPTIONS, build, write


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def info(capsys, *arguments, status=0):
    """Facts of the files that `basicsr info` describes, {label: text}, and what it reports."""
    capsys.readouterr()
    assert run_command(['info', *map(str, arguments)]) == status
    captured = capsys.readouterr()
    assert 'Traceback' not in captured.err
    lines = [line[2:].partition('  ') for line in captured.out.splitlines() if line.startswith('  ')]
    return {label: text.strip() for label, _, text in lines}, captured.err


def test_checkpoint_of_a_network(capsys, in_folder):
    net = build(PGTFormer)
    write('net_g_7.pth', PGTFormer, params=net.state_dict(), params_ema=net.state_dict())
    facts, _ = info(capsys, 'net_g_7.pth')
    assert facts.pop('written by').startswith('pgtf-basicsr ')
    values = sum(tensor.numel() for tensor in net.state_dict().values())
    for key in ('params', 'params_ema'):
        assert facts.pop(f'loads {key}') == 'yes, into PGTFormer'
        summed = facts.pop(f'tensors {key}')
        assert summed.startswith(f'{len(net.state_dict())} tensors, {values:,} values, ')
        assert summed.endswith(' MB, float32, int64')
    assert facts.pop('options').startswith('predictor_width 32, ') and facts.pop('file').endswith(' MB')
    assert facts == {
        'kind': 'checkpoint of a network',
        'stage': '3',
        'iteration': '7',
        'experiment': 'small',
        'option file': 'options/stage3.yml',
        'network': 'PGTFormer',
        'names': 'own',
    }


def test_older_checkpoints_are_completed(capsys, in_folder):
    """Version 0.1 wrote neither experiment nor stage."""
    folder = in_folder / 'experiments/vq/models'
    folder.mkdir(parents=True)
    source = {'format': 1, 'package': '0.1.0', 'iter': 5, 'option_file': 'a.yml'}
    network = {'type': 'TSVQGAN', **OPTIONS[TSVQGAN]}
    torch.save({'params': build(TSVQGAN).state_dict(), 'network': network, 'checkpoint': source}, folder / 'net.pth')
    facts, _ = info(capsys, folder / 'net.pth')
    assert facts['stage'] == '1' and facts['experiment'] == 'vq (by its folder)'
    assert facts['iteration'] == '5' and facts['written by'] == 'pgtf-basicsr 0.1.0'


def test_other_files_of_weights(capsys, in_folder):
    write('net.pth', PGTFormer, params=build(PGTFormer).state_dict())
    assert run_command(['export', 'net.pth', '-o', 'p.safetensors', '--names', 'published']) == 0
    facts, _ = info(capsys, 'p.safetensors')
    assert facts['names'] == 'published' and facts['loads'] == 'yes, into PGTFormer' and facts['iteration'] == '7'

    torch.save(FaceParsingNet().state_dict(), 'bare.pth')
    facts, _ = info(capsys, 'bare.pth')
    assert facts['kind'] == 'weights'
    assert facts['loads'] == 'yes, into FaceParsingNet with its defaults; the file does not name its network'

    torch.save({'params': {'a': torch.zeros(2, 3)}}, 'foreign.pth')
    facts, _ = info(capsys, 'foreign.pth')
    assert facts['loads params'] == 'unknown: the file does not name its network'
    assert facts['tensors params'] == '1 tensors, 6 values, 0.0 MB, float32'

    torch.save({'params': build(VQGANDiscriminator).state_dict(), 'network': {'type': 'TSVQGAN'}}, 'wrong.pth')
    assert 'does not fit TSVQGAN: missing: ' in info(capsys, 'wrong.pth')[0]['loads params']


def test_training_state(capsys, in_folder):
    source = {'format': 1, 'package': '0.1.0', 'iter': 4, 'option_file': 'a.yml', 'experiment': 'x', 'stage': 2}
    moments = {'exp_avg': torch.zeros(5), 'step': torch.tensor(4.0)}
    state = {
        'checkpoint': source,
        'iter': 4,
        'epoch': 2,
        'optimizers': [{'state': {0: moments}}],
        'schedulers': [],
        'networks': ['network_g', 'network_d'],
    }
    torch.save(state, '4.state')
    facts, _ = info(capsys, '4.state')
    assert facts['kind'] == 'training state' and facts['iteration'] == '4' and facts['epoch'] == '2'
    assert facts['saved with'] == '[network_g, network_d]' and facts['stage'] == '2'
    assert facts['tensors'].startswith('2 tensors, 6 values')
    assert run_command(['info', '4.state', '--tensors']) == 0
    assert '    optimizers.0.state.0.exp_avg  5  float32\n' in capsys.readouterr().out


def test_networks_of_torch_export(capsys, in_folder):
    net = build(FaceParsingNet)
    write('net.pth', FaceParsingNet, stage=None, params=net.state_dict())
    assert run_command(['export', 'net.pth', '-o', 'net.pt2', '--size', '48x32']) == 0
    facts, _ = info(capsys, 'net.pt2')
    assert facts['kind'] == 'network of torch.export' and facts['network'] == 'FaceParsingNet'
    assert facts['input'] == '[frames, batch, 3, 32, 48]' and facts['outputs'] == '[logits]'
    assert facts['option file'] == 'options/stage3.yml' and facts['iteration'] == '7'
    assert facts['tensors weights'].startswith(f'{len(net.state_dict())} tensors')
    assert_torn_are_refused(capsys, in_folder / 'net.pt2')


def test_networks_in_onnx(capsys, in_folder):
    """Here of another program, which states nothing; those of `export` are in the test of the documentation."""
    onnx = pytest.importorskip('onnx', reason='extra export')
    weight = onnx.helper.make_tensor('weight', onnx.TensorProto.FLOAT, [2, 3], range(6))
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in 'xy']
    node = onnx.helper.make_node('Add', ['x', 'weight'], ['y'])
    graph = onnx.helper.make_graph([node], 'sum', ends[:1], ends[1:], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid('', 18)]), 'net.onnx')
    facts, _ = info(capsys, 'net.onnx')
    assert facts['kind'] == 'network in ONNX, opset 18' and facts['tensors'] == '1 tensors, 6 values, 0.0 MB, float32'
    assert_torn_are_refused(capsys, in_folder / 'net.onnx')


def assert_torn_are_refused(capsys, path):
    whole = path.read_bytes()
    for kept in (0, 0.01, 0.5, 0.999):
        path.write_bytes(whole[: int(kept * len(whole))])
        assert_refused(capsys, path)


def assert_refused(capsys, path):
    facts, error = info(capsys, path, status=2)
    assert not facts and error.startswith('basicsr: ') and error.count('\n') == 1 and path.name in error


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self):
        return open, ('sprung', 'w')


def test_damaged_and_hostile_files(capsys, in_folder):
    torch.save({'params': build(VQGANDiscriminator).state_dict(), 'checkpoint': {'format': 1}}, 'net.pth')
    save_file(build(VQGANDiscriminator).state_dict(), 'net.safetensors')
    for name in ('net.pth', 'net.safetensors'):
        assert_torn_are_refused(capsys, in_folder / name)
    torch.save({'optimizers': [], 'iter': 1, 'trap': Trap()}, 'trap.pth')
    torch.save([1, 2], 'list.pth')
    save_file({'a': torch.zeros(1)}, 'json.safetensors', {'network': '{'})
    with zipfile.ZipFile('empty.pt2', 'w') as file:
        file.writestr('a/archive_format', 'pt2')
    for name in ('trap.pth', 'list.pth', 'json.safetensors', 'empty.pt2', 'none.pth'):
        assert_refused(capsys, in_folder / name)
    for suffix in ('.state', '.pt2', '.onnx', '.safetensors'):
        if suffix == '.onnx':
            pytest.importorskip('onnx', reason='extra export')
        shutil.copy('trap.pth', f'trap{suffix}')
        assert_refused(capsys, in_folder / f'trap{suffix}')
    assert not (in_folder / 'sprung').exists()


@pytest.mark.parametrize(
    'network',
    [
        {'type': ['a']},
        {'type': 'SpyNet', 'load_path': 'trap.pth'},
        {'type': 'TSVQGAN', 'num_heads': 0},
        {'type': 'TSVQGAN', 'width': 'x'},
        {'type': 'PGTFormer', 'codebook_size': 10**9},
        {1: 2},
    ],
    ids=str,
)
def test_networks_that_cannot_be(capsys, in_folder, network):
    """What a file says of its network is not believed."""
    torch.save({'params': {'quantizer.x.weight': torch.zeros(())}, 'network': network}, 'net.pth')
    facts, _ = info(capsys, 'net.pth')
    assert facts['loads params'].startswith('no: ')


def test_names_do_not_reach_the_terminal_raw(capsys, in_folder):
    """Nor do tensors that say they are larger than any memory take any."""
    states = {'a\x1b[2J\nb': torch.zeros(1, dtype=torch.half).expand(2**40)}
    torch.save({'params': states, 'network': {'type': 'TSV\x1bQ\n'}}, 'net.pth')
    capsys.readouterr()
    assert run_command(['info', 'net.pth', '--tensors']) == 0
    output = capsys.readouterr().out
    assert '\x1b' not in output and 'a\\x1b[2J\\nb  1099511627776  float16' in output


def test_good_files_are_described_beside_bad_ones(capsys, in_folder):
    write('net.pth', VQGANDiscriminator, params=build(VQGANDiscriminator).state_dict())
    facts, error = info(capsys, 'none.pth', 'net.pth', 'gone.pth', status=2)
    assert facts['network'] == 'VQGANDiscriminator'
    assert error.count('\n') == 2 and 'none.pth' in error and 'gone.pth' in error
