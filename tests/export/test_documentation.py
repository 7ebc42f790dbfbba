"""The commands and examples of docs/checkpoints.md do what it says, with a small network."""

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.export.graph_files import METADATA, PACKAGES
from pgtf_command import run_command

from ..helpers.quickstart import ROOT
from ..helpers.small_networks import OPTIONS, build, write
from ..helpers.videos import moving_frames, write_video

PAGE = (ROOT / 'docs' / 'checkpoints.md').read_text()
COMMANDS = re.findall(r'^    basicsr (.+)$', PAGE, re.MULTILINE)
EXAMPLES = re.findall(r'^```python\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
TOLERANCE = 1e-4


@pytest.fixture
def in_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = build(PGTFormer)
    write('net_g_latest.pth', PGTFormer, params=build(PGTFormer, 1).state_dict(), params_ema=net.state_dict())
    (tmp_path / 'experiments/stage3/models').mkdir(parents=True)
    write('experiments/stage3/models/net_g_latest.pth', PGTFormer, params_ema=net.state_dict())
    torch.save({'iter': 400000, 'epoch': 1, 'optimizers': [], 'schedulers': []}, '400000.state')
    write_video('in.mp4', moving_frames(3, 32, 32), 25)
    return net


@pytest.mark.slow(seconds=30)
@pytest.mark.skipif(not all(map(find_spec, PACKAGES)), reason='extra export')
def test_commands_and_examples(in_project, capsys):
    for command in COMMANDS:
        assert run_command(shlex.split(command)) == 0, command
    output = capsys.readouterr().out
    assert 'net.pt2: PGTFormer of 3×3×64×64' in output
    assert 'network in ONNX, opset 20' in output and '[lq, batch, 3, 3, 64, 64]' in output
    for example in EXAMPLES:
        scope = {}
        exec(example, scope)
        assert scope['restored'].shape == (1, 3, 3, 64, 64)
    for name in ('net.pt2', 'net.onnx'):
        assert str(ROOT).encode() not in Path(name).read_bytes()
    assert_restores_as_the_checkpoint()
    assert_same_outputs(in_project)


def assert_restores_as_the_checkpoint():
    """The safetensors file needs no option file, and gives the same video."""
    restore = shlex.split('restore in.mp4 -o again.mp4 --weights net_g_latest.pth')
    assert run_command(restore) == 0
    assert Path('again.mp4').read_bytes() == Path('restored.mp4').read_bytes()


def assert_same_outputs(net):
    """Graphs take batches of any number, and have fixed what the commands say."""
    import onnxruntime

    extra = dict.fromkeys(METADATA, '')
    program = torch.export.load('net.pt2', extra_files=extra).module()
    session = onnxruntime.InferenceSession('net.onnx', providers=['CPUExecutionProvider'])
    for network in (extra['network'], session.get_modelmeta().custom_metadata_map['network']):
        assert json.loads(network) == {'type': 'PGTFormer', **OPTIONS[PGTFormer]}
    assert json.loads(extra['graph'])['fidelity'] == 0.5
    for count in (1, 3):
        clip = torch.rand(count, 3, 3, 64, 64, generator=torch.Generator().manual_seed(count))
        (of_onnx,) = session.run(None, {'lq': clip.numpy()})
        with torch.no_grad():
            (of_torch,), half, full = program(clip), net(clip, fidelity=0.5), net(clip)
        assert (of_torch - half).abs().max() < TOLERANCE < (half - full).abs().max()
        assert np.abs(of_onnx - full.numpy()).max() < TOLERANCE
