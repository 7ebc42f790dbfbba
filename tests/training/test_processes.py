"""Many processes: the same result as one, and an end with a message where one is gone."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from ..helpers.experiments import assert_same_files
from ..helpers.processes import Run, free_port, run
from ..helpers.quickstart import environment, one_step, stage_options, write_options


def step_options(stage, name, batch_size):
    """Options of a stage that makes one step by its gradients."""
    opt = stage_options(stage, name=name, **one_step(batch_size))
    # The face parsing network, trained jointly in stage II, has statistics of its batch.
    if stage == 2:
        opt['train']['frozen'] = ['codebook', 'from_latents', 'decoder', 'parsing_net', 'regulators']
    return opt


@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_two_processes_make_the_step_of_one_with_twice_the_batch(trained_project, stage):
    """Weights, and with them gradients, and the codebook to float tolerance."""
    states = []
    for name, batch_size, world_size in (('one', 2, 1), ('two', 1, 2)):
        path = write_options(trained_project, step_options(stage, f'{name}_{stage}', batch_size), f'{name}_{stage}.yml')
        run(trained_project, 'train', '-opt', path, world_size=world_size)
        file = trained_project / 'experiments' / f'{name}_{stage}' / 'models' / 'net_g_1.pth'
        states.append(torch.load(file, weights_only=True)['params'])
    one, two = states
    for name, tensor in one.items():
        torch.testing.assert_close(
            two[name], tensor, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f'{name}: {text}'
        )
    file = trained_project / 'experiments/quickstart_stage1/models/net_g_2.pth'
    start = torch.load(file, weights_only=True)['params']
    moved = [name for name in start if name.startswith('encoder') and not torch.equal(start[name], one[name])]
    assert moved


def test_three_processes_resume_to_the_same_bits(project):
    """Sums over three ranks depend on their order, which a restart must not change."""
    changes = {'train:total_iter': 8, 'train:scheduler:periods': [8], 'logger:save_checkpoint_freq': 4}
    run(project, 'train', '-opt', write_options(project, stage_options(1, name='let_alone', **changes)), world_size=3)
    path = write_options(project, stage_options(1, name='resumed', **changes))
    command = Run(project, 'train', '-opt', path, world_size=3)
    command.wait_for('iter:       5')
    command.kill()
    assert 'iter: 4.' in run(project, 'train', '-opt', path, '--auto_resume', world_size=3)
    assert_same_files(project / 'experiments/let_alone', project / 'experiments/resumed', 8)


def test_resume_with_another_number_of_processes_takes_the_samples_that_are_left(project):
    """Two processes take the first half of the epoch, one the rest: each sample once."""
    changes = {'train:total_iter': 4, 'train:scheduler:periods': [8]}
    path = write_options(project, stage_options(1, **changes))
    command = Run(project, 'train', '-opt', path, world_size=2)
    command.wait_for('Saving models and training states.')
    command.wait_for('iter:       3')
    command.kill()
    output = run(project, 'train', '-opt', path, '--auto_resume', '--force_yml', 'train:total_iter=7')
    assert 'The state is of 2 processes and these are 1' in output
    epochs = re.findall(r'epoch:(...), iter: +(\d+)', output)
    # Eight samples an epoch: four by two processes in iterations 1 and 2, four by one in iterations 3 to 6.
    assert epochs == [('  0', '3'), ('  0', '4'), ('  0', '5'), ('  0', '6'), ('  1', '7')]


def test_a_process_that_hangs_ends_the_run_with_a_message(project):
    path = write_options(
        project,
        stage_options(
            1, **{'train:total_iter': 100, 'train:scheduler:periods': [100], 'dist_params': {'timeout': 0.15}}
        ),
    )
    command = Run(project, 'train', '-opt', path, world_size=2)
    command.wait_for('iter:       1')
    command.signal(signal.SIGSTOP, rank=1)
    started = time.monotonic()
    command.processes[0].join(100)
    assert command.processes[0].exitcode == 1 and time.monotonic() - started < 60
    command.kill()
    lines = [line for line in command.output().splitlines() if line.startswith('basicsr: ')]
    assert len(lines) == 1 and 'another process of this run is gone' in lines[0] and '--auto_resume' in lines[0]
    assert 'Traceback' not in command.output()


def test_a_mistake_of_one_node_ends_all_and_is_told_once(project, tmp_path_factory):
    """Its data folder is empty; the others learn of it before the good experiment is touched."""
    path = write_options(project, stage_options(1))
    run(project, 'train', '-opt', path)
    before = sorted(project.glob('experiments/**/*'))
    node = tmp_path_factory.mktemp('node')
    shutil.copytree(project / 'datasets', node / 'datasets')
    shutil.rmtree(node / 'datasets/sample/train/GT')
    (node / 'datasets/sample/train/GT').mkdir()
    command = Run(project, 'train', '-opt', path, world_size=2, elsewhere=node)
    assert command.statuses() == [2, 2]
    told = [line for rank in (0, 1) for line in command.output(rank).splitlines() if line.startswith('basicsr: ')]
    assert len(told) == 1 and 'no clip of 3 or more frames in datasets/sample/train/GT' in told[0]
    assert sorted(project.glob('experiments/**/*')) == before


def test_a_mistake_of_one_node_that_the_options_show_is_told_there(project, tmp_path_factory):
    path = write_options(project, stage_options(1))
    command = Run(project, 'train', '-opt', path, world_size=2, elsewhere=tmp_path_factory.mktemp('node'))
    command.processes[1].join(100)
    command.kill()
    assert 'datasets.train.dataroot_gt: datasets/sample/train/GT does not exist' in command.output(1)
    assert command.statuses()[1] == 2


SCONTROL = '#!/bin/sh\n[ "$1 $2" = "show hostnames" ] && printf "127.0.0.1\\nother\\n"\n'


@pytest.fixture
def scontrol(tmp_path_factory):
    """A folder with slurm's command that tells the hosts of a job, or one that fails."""
    folder = tmp_path_factory.mktemp('bin')

    def write(text):
        (folder / 'scontrol').write_text(text)
        (folder / 'scontrol').chmod(0o755)
        return {
            'PATH': f'{folder}:{os.environ["PATH"]}',
            'SLURM_NODELIST': 'node[1-2]',
            'SLURM_PROCID': '0',
            'SLURM_NTASKS': '1',
            'SLURM_LOCALID': '0',
            'MASTER_PORT': str(free_port()),
        }

    return write


def test_slurm_gives_rank_and_hosts(project, scontrol):
    path = write_options(project, stage_options(1))
    output = run(project, 'train', '-opt', path, '--launcher', 'slurm', **scontrol(SCONTROL))
    assert 'World size (gpu number): 1' in output and 'End of training' in output


def test_launcher_that_is_not_there_is_told_in_a_line(project):
    path = write_options(project, stage_options(1))
    output = run(project, 'train', '-opt', path, '--launcher', 'pytorch', status=2)
    assert output == (
        'basicsr: --launcher pytorch: RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT not set; '
        'start the processes with torchrun\n'
    )


def test_slurm_mistakes_are_told_in_a_line(project, scontrol):
    path = write_options(project, stage_options(1))
    output = run(project, 'train', '-opt', path, '--launcher', 'slurm', status=2)
    assert 'SLURM_NODELIST, SLURM_PROCID, SLURM_NTASKS, SLURM_LOCALID not set; start the processes with srun' in output
    output = run(
        project,
        'train',
        '-opt',
        path,
        '--launcher',
        'slurm',
        status=2,
        **scontrol('#!/bin/sh\necho "invalid hostlist" >&2\nexit 1\n'),
    )
    assert 'scontrol cannot name the hosts of node[1-2]: invalid hostlist' in output and 'Traceback' not in output


def agents(folder, path, nodes, restarts):
    """Start a torchrun agent for each node, with one process each; they meet on the loopback device."""
    port = free_port()
    return [
        subprocess.Popen(
            [
                sys.executable,
                '-m',
                'torch.distributed.run',
                '--nnodes',
                str(nodes),
                '--nproc_per_node',
                '1',
                '--max-restarts',
                str(restarts),
                '--rdzv-backend',
                'c10d',
                '--rdzv-endpoint',
                f'127.0.0.1:{port}',
                '--rdzv-id',
                'a_job',
                '--local-addr',
                '127.0.0.1',
                '-m',
                'pgtf_basicsr',
                'train',
                '-opt',
                str(path),
                '--launcher',
                'pytorch',
            ],
            cwd=folder,
            env=environment(),
            text=True,
            stdout=open(folder / f'node_{node}.txt', 'w'),
            stderr=subprocess.STDOUT,
        )
        for node in range(nodes)
    ]


def child(agent):
    """Process id of the trainer that an agent runs."""
    return int(open(f'/proc/{agent.pid}/task/{agent.pid}/children').read().split()[0])


@pytest.mark.slow(seconds=35)
def test_two_nodes_survive_the_loss_of_either_process_without_help(project):
    """torchrun restarts the processes, and they resume from the last checkpoint: without --auto_resume."""
    changes = {'train:total_iter': 12, 'train:scheduler:periods': [12], 'logger:save_checkpoint_freq': 2}
    run(project, 'train', '-opt', write_options(project, stage_options(1, name='let_alone', **changes)), world_size=2)
    path = write_options(project, stage_options(1, name='two_nodes', **changes), 'two_nodes.yml')
    nodes = agents(project, path, nodes=2, restarts=3)
    for lost, iteration in ((0, 3), (1, 7)):
        wait_for_iteration(iteration, project / 'experiments/two_nodes', nodes)
        os.kill(child(nodes[lost]), signal.SIGKILL)
    assert [node.wait(100) for node in nodes] == [0, 0]
    told = ''.join((project / f'node_{node}.txt').read_text() for node in (0, 1))
    assert told.count('Resuming training from epoch: ') == 2
    assert_same_files(project / 'experiments/let_alone', project / 'experiments/two_nodes', 12)


def wait_for_iteration(iteration, experiment, nodes):
    """Wait until one of a run's logs, a new one after each start, has an iteration."""
    end = time.monotonic() + 200
    while not any(f'iter: {iteration:7d},' in log.read_text() for log in experiment.glob('train_*.log')):
        assert all(node.poll() is None for node in nodes) and time.monotonic() < end
        time.sleep(0.02)


def test_restart_goes_on_from_its_own_launch_alone(project):
    """An older experiment of the same name is archived as by any fresh run, not taken for the restarted one's."""
    run(project, 'train', '-opt', write_options(project, stage_options(1)))
    path = write_options(project, stage_options(1, **{'train:total_iter': 4, 'train:scheduler:periods': [4]}))
    output = run(project, 'train', '-opt', path, TORCHELASTIC_RUN_ID='a_job')
    assert 'Resuming' not in output
    (archived,) = (project / 'experiments').glob('quickstart_stage1_archived_*')
    assert (archived / 'training_states/2.state').exists()
    output = run(project, 'train', '-opt', path, TORCHELASTIC_RUN_ID='a_job')
    assert 'Resuming training from epoch: 0, iter: 4.' in output
    output = run(project, 'train', '-opt', path, TORCHELASTIC_RUN_ID='the_next_job')
    assert 'Resuming' not in output
