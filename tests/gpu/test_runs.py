"""Whole trainings on GPUs: resuming to the same bits, and processes that communicate by NCCL."""

import shutil

import pytest
import torch

from ..helpers.experiments import assert_same_files
from ..helpers.processes import free_port
from ..helpers.quickstart import basicsr, one_step, stage_options, write_data, write_options

pytestmark = pytest.mark.gpu


@pytest.fixture
def project(tmp_path, weights, monkeypatch):
    """A folder with sample data and weights, for processes with the arithmetic of fp32 and no network but their own."""
    monkeypatch.setenv('NVIDIA_TF32_OVERRIDE', '0')
    monkeypatch.setenv('NCCL_SOCKET_IFNAME', 'lo')
    write_data(tmp_path)
    shutil.copytree(weights, tmp_path / 'weights')
    return tmp_path


def options(project, name, stage, num_gpu, **changes):
    """Write options of a stage that starts from the weights; returns their path."""
    opt = stage_options(stage, name=name, num_gpu=num_gpu, **changes)
    for key in opt['path']:
        if key != 'resume_state':
            opt['path'][key] = f'weights/{key.removeprefix("pretrain_")}.pth'
    return write_options(project, opt, f'{name}.yml')


@pytest.mark.parametrize('stage, precision', [(1, 'fp32'), (4, 'fp16')])
def test_a_deterministic_training_resumes_to_the_same_bits(project, stage, precision, num_gpu):
    changes = {'train:total_iter': 6, 'train:scheduler:periods': [6], 'logger:save_checkpoint_freq': 3}
    changes.update(deterministic=True, val=None)
    changes['train:precision'] = precision if num_gpu else 'fp32'
    path = options(project, 'run', stage, num_gpu, **changes)
    basicsr(project, 'train', '-opt', path)
    shutil.move(project / 'experiments' / 'run', project / 'whole')
    for folder in ('models', 'training_states'):
        (project / 'experiments' / 'run' / folder).mkdir(parents=True)
        for file in (project / 'whole' / folder).glob('*3.*'):
            shutil.copy(file, project / 'experiments' / 'run' / folder)
    assert 'iter: 3.' in basicsr(project, 'train', '-opt', path, '--auto_resume')
    assert_same_files(project / 'whole', project / 'experiments' / 'run', 6)


def launched(project, path, processes):
    launch = ('-m', 'torch.distributed.run', '--nproc_per_node', str(processes), '--master_port', str(free_port()))
    output = basicsr(project, 'train', '-opt', path, '--launcher', 'pytorch', launch=(*launch, '-m', 'pgtf_basicsr'))
    assert 'iter:       1' in output


def assert_same_step(project, name, other):
    one, two = (
        torch.load(project / 'experiments' / run / 'models' / 'net_g_1.pth', weights_only=True)['params']
        for run in (name, other)
    )
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, rtol=1e-3, atol=1e-4, msg=lambda text, key=key: f'{key}: {text}')


@pytest.mark.parametrize('stage', [1, 3])
def test_one_process_under_torchrun_makes_the_step_of_one_without(project, stage, num_gpu):
    changes = dict(one_step(batch_size=2), val=None)
    basicsr(project, 'train', '-opt', options(project, 'alone', stage, num_gpu, **changes))
    launched(project, options(project, 'launched', stage, num_gpu, **changes), 1)
    assert_same_step(project, 'alone', 'launched')


@pytest.mark.parametrize('stage', [1, 3])
def test_two_gpus_make_the_step_of_one_with_twice_the_batch(project, stage, gpu):
    if torch.cuda.device_count() < 2:
        pytest.skip('there is one GPU')
    basicsr(project, 'train', '-opt', options(project, 'alone', stage, 1, **one_step(batch_size=2), val=None))
    launched(project, options(project, 'launched', stage, 2, **one_step(batch_size=1), val=None), 2)
    assert_same_step(project, 'alone', 'launched')


def test_the_discriminator_trains_under_torchrun(project, num_gpu):
    """With BatchNorm over all processes, which is another layer."""
    launched(project, options(project, 'launched', 4, num_gpu), 1)
    state = torch.load(project / 'experiments/launched/models/net_d_latest.pth', weights_only=True)['params']
    start = torch.load(project / 'weights/network_d.pth', weights_only=True)['params']
    assert state.keys() == start.keys() and all(tensor.isfinite().all() for tensor in state.values())
    assert not torch.equal(state['main.0.weight'], start['main.0.weight'])
