"""Runs that are asked to stop by SIGTERM or SIGINT save, say so with their exit status, and go on unharmed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ..helpers.experiments import assert_same_ending
from ..helpers.processes import Run, free_port, run
from ..helpers.quickstart import ROOT, stage_options, write_options

STOPPED = 75
TOTAL = 8


def write_stage(folder, name, **changes):
    opt = stage_options(
        1,
        name=name,
        **{
            'train:total_iter': TOTAL,
            'logger:save_checkpoint_freq': TOTAL,
            'train:scheduler:periods': [TOTAL],
            **changes,
        },
    )
    return write_options(folder, opt, f'{name}.yml')


def states(folder, name):
    return sorted(path.name for path in (folder / 'experiments' / name / 'training_states').glob('*.state'))


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_stopped_run_goes_on_to_the_same_bits(project, number):
    """Also in the middle of an epoch and with the samples of the next iteration in the making by workers."""
    workers = {'datasets:train:num_worker_per_gpu': 2}
    run(project, 'train', '-opt', write_stage(project, 'let_alone', **workers))
    path = write_stage(project, 'stopped', **workers)
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       3')
    command.signal(number)
    assert command.statuses() == [STOPPED]
    (state,) = states(project, 'stopped')
    iteration = int(state.removesuffix('.state'))
    assert 3 <= iteration < TOTAL
    assert f'basicsr: stopped after iteration {iteration}, as asked; resume with --auto_resume' in command.output()
    assert 'Traceback' not in command.output()

    output = run(project, 'train', '-opt', path, '--auto_resume')
    assert f'iter: {iteration}.' in output
    assert_same_ending(project / 'experiments/let_alone', project / 'experiments/stopped', TOTAL)


def test_signal_to_one_rank_stops_all_at_the_same_iteration(project):
    path = write_stage(project, 'two')
    command = Run(project, 'train', '-opt', path, world_size=2)
    command.wait_for('iter:       1')
    command.signal(signal.SIGTERM, rank=1)
    assert command.statuses() == [STOPPED, STOPPED]
    (state,) = states(project, 'two')
    assert 'Traceback' not in command.output() + command.output(1)
    output = run(project, 'train', '-opt', path, '--auto_resume', world_size=2)
    assert f'iter: {state.removesuffix(".state")}.' in output


def test_stop_waits_for_the_step_of_accumulated_gradients(project):
    path = write_stage(project, 'accumulated', **{'train:accumulate_iters': 4})
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       1')
    command.signal(signal.SIGTERM)
    assert command.statuses() == [STOPPED]
    assert states(project, 'accumulated') == ['4.state']


def test_stop_during_validation_is_made_up_for(project):
    """The validation is left, the state saved, and the resumed run validates before it goes on."""
    path = write_stage(
        project,
        'validating',
        **{
            'val:val_freq': 4,
            'datasets:val:dataroot_gt': 'datasets/sample/train/GT',
            'datasets:val:max_frames': None,
            'datasets:val:dataroot_landmarks': 'datasets/sample/train/landmarks',
            'val:batch_size': 1,
        },
    )
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       4')
    command.signal(signal.SIGTERM)
    assert command.statuses() == [STOPPED]
    assert states(project, 'validating') == ['4.state']
    assert '# psnr' not in command.output()
    output = run(project, 'train', '-opt', path, '--auto_resume')
    validated = [line for line in output.splitlines() if '# psnr' in line or 'iter:       5' in line]
    assert '@ 4 iter' in validated[0] and 'iter:       5' in validated[1]


def test_signal_before_the_first_iteration_ends_at_once(project):
    command = Run(project, 'train', '-opt', write_stage(project, 'early'))
    command.signal(signal.SIGTERM)
    (status,) = command.statuses()
    assert status in (-signal.SIGTERM, 128 + signal.SIGTERM, STOPPED)
    assert states(project, 'early') == []


@pytest.mark.slow(seconds=40)
def test_torchrun_that_is_asked_to_stop_lets_its_processes_save(project):
    """As a scheduler does it: SIGTERM to torchrun, which passes it on and waits for half a minute."""
    path = write_stage(
        project,
        'torchrun',
        **{'train:total_iter': 200, 'train:scheduler:periods': [200], 'logger:save_checkpoint_freq': 200},
    )
    output = project / 'output.txt'
    with open(output, 'w') as file:
        agent = subprocess.Popen(
            [
                sys.executable,
                '-m',
                'torch.distributed.run',
                '--nproc_per_node',
                '2',
                '--master_port',
                str(free_port()),
                '-m',
                'pgtf_basicsr',
                'train',
                '-opt',
                str(path),
                '--launcher',
                'pytorch',
            ],
            cwd=project,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    end = time.monotonic() + 120
    while 'iter:       3' not in output.read_text():
        assert agent.poll() is None and time.monotonic() < end, output.read_text()[-3000:]
        time.sleep(0.02)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(60) != 0
    (state,) = states(project, 'torchrun')
    # They have ended by themselves.
    assert 'forcefully exiting' not in output.read_text()
    assert f'stopped after iteration {state.removesuffix(".state")}, as asked' in output.read_text()
