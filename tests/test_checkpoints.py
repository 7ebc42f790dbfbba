"""Reading, fitting and writing of weights."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pgtf_basicsr.checkpoints import load_weights, read_checkpoint, state_dict, write_checkpoint
from pgtf_basicsr.errors import UserError

STATE = {'conv.weight': torch.arange(6.0).view(2, 3), 'conv.bias': torch.tensor([7.0, 8.0])}


def assert_same_state(state, expected=STATE):
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def scaled(factor):
    return {name: factor * tensor for name, tensor in STATE.items()}


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Linear(3, 2)


class RenamedLinear(Linear):
    """Takes names as another program wrote them."""

    def own_state_dict(self, state):
        return {name.replace('layer.', 'conv.'): tensor for name, tensor in state.items()}


@pytest.mark.parametrize(
    'contents',
    [
        STATE,
        {'params': STATE},
        {'params_ema': STATE, 'params': scaled(2)},
        {'params': {f'module.{name}': tensor for name, tensor in STATE.items()}},
        {'params_ema': STATE, 'iter': 5, 'network': {'type': 'PGTFormer'}},
    ],
    ids=['bare', 'params', 'both', 'from DataParallel', 'own'],
)
@pytest.mark.parametrize('name', ['w.pth', 'w.pt'])
def test_reads_what_basicsr_and_torch_write(tmp_path, contents, name):
    torch.save(contents, tmp_path / name)
    assert_same_state(state_dict(tmp_path / name))


def test_reads_safetensors(tmp_path):
    path = tmp_path / 'w.safetensors'
    save_file(STATE, path)
    assert_same_state(state_dict(path))
    assert read_checkpoint(path).network is None


def test_chooses_the_weights_asked_for(tmp_path):
    path = tmp_path / 'w.pth'
    torch.save({'params_ema': STATE, 'params': scaled(2)}, path)
    assert_same_state(state_dict(path, 'params'), scaled(2))
    torch.save({'params': STATE}, path)
    with pytest.raises(UserError, match='no weights called params_ema, but params'):
        state_dict(path, 'params_ema')


def test_knows_the_network_the_weights_belong_to(tmp_path):
    network = {'type': 'PGTFormer', 'width': 32, 'multipliers': [1, 2]}
    torch.save({'params': STATE, 'network': network}, tmp_path / 'w.pth')
    save_file(STATE, tmp_path / 'w.safetensors', metadata={'network': json.dumps(network)})
    torch.save({'params': STATE}, tmp_path / 'other.pth')
    assert read_checkpoint(tmp_path / 'w.pth').network == network
    assert read_checkpoint(tmp_path / 'w.safetensors').network == network
    assert read_checkpoint(tmp_path / 'other.pth').network is None


def test_says_where_it_looked_for_missing_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f'weights not found: none.pth .looked for {tmp_path}/none.pth'):
        read_checkpoint('none.pth')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize('kept', [0, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_refuses_torn_files(tmp_path, suffix, kept):
    path = tmp_path / f'w{suffix}'
    if suffix == '.pth':
        torch.save({'params': STATE}, path)
    else:
        save_file(STATE, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert_refused(path)


@pytest.mark.parametrize(
    'contents',
    [b'\x89PNG\r\n\x1a\n' + bytes(50), b'a text\n', b'PK\x03\x04' + bytes(100), bytes(range(256)), b'\x80\x02e.'],
    ids=['png', 'text', 'zip', 'binary', 'empty stack'],
)
def test_refuses_foreign_files(tmp_path, contents):
    for name in ('w.pth', 'w.safetensors'):
        (tmp_path / name).write_bytes(contents)
        assert_refused(tmp_path / name)


@pytest.mark.parametrize(
    'contents', [{}, {'params': {}}, {'epoch': 3, 'optimizers': []}, [1, 2], torch.zeros(3), {'params': {'a': 1}}]
)
def test_refuses_files_without_weights(tmp_path, contents):
    torch.save(contents, tmp_path / 'w.pth')
    assert_refused(tmp_path / 'w.pth')


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_executes_nothing(tmp_path):
    torch.save({'params': STATE, 'trap': Trap(tmp_path / 'sprung')}, tmp_path / 'w.pth')
    assert_refused(tmp_path / 'w.pth')
    assert not (tmp_path / 'sprung').exists()


def assert_refused(path):
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    message = str(caught.value)
    assert str(path) in message and '\n' not in message


@pytest.mark.parametrize('net, prefix', [(Linear(), 'conv.'), (RenamedLinear(), 'layer.')])
def test_loads_weights_under_names_the_network_knows(net, prefix):
    load_weights(net, {name.replace('conv.', prefix): tensor for name, tensor in STATE.items()}, 'w.pth')
    assert_same_state(net.state_dict())


def test_names_the_tensors_that_do_not_fit():
    net = Linear()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    foreign = {'conv.weight': torch.zeros(2, 4), **{f'block{i}.weight': torch.zeros(1) for i in range(7)}}
    with pytest.raises(UserError) as caught:
        load_weights(net, foreign, 'w.pth')
    assert str(caught.value) == (
        'w.pth does not fit Linear: missing: conv.bias; '
        'unexpected: block0.weight, block1.weight, block2.weight, block3.weight, block4.weight and 2 more; '
        'of another shape: conv.weight (2×4, the network has 2×3)'
    )
    assert_same_state(net.state_dict(), before)


def test_writes_what_it_reads(tmp_path):
    path = tmp_path / 'w.pth'
    write_checkpoint(path, {'params': STATE, 'network': {'type': 'PGTFormer'}})
    assert_same_state(state_dict(path))
    assert read_checkpoint(path).network == {'type': 'PGTFormer'}
    write_checkpoint(path, {'params': scaled(2)})
    assert_same_state(state_dict(path), scaled(2))
    assert [file.name for file in tmp_path.iterdir()] == ['w.pth']


def test_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / 'w.pth'
    write_checkpoint(path, {'params': STATE})
    with pytest.raises(AttributeError):  # a local function cannot be pickled
        write_checkpoint(path, {'params': scaled(2), 'function': lambda: None})
    assert_same_state(state_dict(path))
    assert [file.name for file in tmp_path.iterdir()] == ['w.pth']


def test_write_to_a_missing_folder_raises(tmp_path):
    with pytest.raises(OSError):
        write_checkpoint(tmp_path / 'none' / 'w.pth', {'params': STATE})


@pytest.mark.parametrize('change', [lambda tensor: tensor.to(torch.complex64), torch.Tensor.to_sparse])
def test_weights_of_another_kind_are_refused(change):
    """A network takes over tensors as they are: complex or sparse ones would fail in its first pass."""
    net = torch.nn.Linear(2, 2)
    state = {name: change(tensor.detach()) for name, tensor in net.state_dict().items()}
    with pytest.raises(UserError, match='w.pth does not fit Linear: not dense real numbers: weight, bias'):
        load_weights(net, state, 'w.pth', assign=True)


def test_a_folder_is_no_file_of_weights(tmp_path):
    with pytest.raises(UserError, match='is a folder, not a file of weights'):
        read_checkpoint(tmp_path)
