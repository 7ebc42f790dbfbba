"""Checkpoints that cannot be written, old ones that are deleted, and what a checkpoint says of itself."""

import resource
import shutil
import subprocess

import pytest
import torch

from pgtf_basicsr import __version__
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.training.saving import save_checkpoint, save_networks
from pgtf_basicsr.training.state_files import load_whole_state

from ..helpers.experiments import assert_same_files
from ..helpers.processes import Run, run
from ..helpers.quickstart import stage_options, write_data, write_options

TOTAL = 6


def write_stage(folder, name='saving', **changes):
    opt = stage_options(1, name=name, **{'train:total_iter': TOTAL, 'train:scheduler:periods': [TOTAL], **changes})
    return write_options(folder, opt, f'{name}.yml')


def files(folder):
    """{path: bytes} of all checkpoints and states."""
    return {
        path.relative_to(folder): path.read_bytes()
        for kind in ('models', 'training_states')
        for path in sorted((folder / 'experiments/saving' / kind).iterdir())
    }


@pytest.fixture
def mount():
    """A function that mounts; what it has mounted is taken away again."""
    mounted = []

    def mount(*arguments):
        if shutil.which('mount') is None or subprocess.run(['mount', *arguments], capture_output=True).returncode:
            pytest.skip('mounting is not allowed here')
        if 'remount,ro,bind' not in arguments:
            mounted.append(arguments[-1])

    yield mount
    for folder in reversed(mounted):
        subprocess.run(['umount', '-l', folder], check=True)


@pytest.mark.parametrize('world_size', [1, 2])
def test_full_disk_ends_the_run_and_leaves_older_checkpoints(tmp_path, mount, world_size):
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount('-t', 'tmpfs', '-o', 'size=30m', 'tmpfs', disk)
    write_data(disk)
    path = write_stage(disk)
    command = Run(disk, 'train', '-opt', path, world_size=world_size)
    assert command.statuses() == [2] * world_size
    lines = [line for line in command.output().splitlines() if line.startswith('basicsr: ')]
    assert len(lines) == 1 and 'cannot save' in lines[0] and 'No space left on device' in lines[0]
    assert 'the newest checkpoint is of iteration 2' in lines[0]
    load_whole_state(disk / 'experiments/saving/training_states/2.state')
    assert not list((disk / 'experiments/saving').glob('*/.*'))
    assert 'Traceback' not in command.output()


def test_file_size_limit_ends_the_run_before_anything_is_saved(project):
    """The same by the limit of a process, which needs no mounting; there is no older checkpoint here."""
    command = Run(project, 'train', '-opt', write_stage(project), limits={resource.RLIMIT_FSIZE: 2**20})
    assert command.statuses() == [2]
    assert 'File too large; there is no older checkpoint' in command.output()
    assert files(project) == {}


def test_read_only_folder_ends_the_run_and_leaves_older_checkpoints(project, mount):
    path = write_stage(project)
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       3')
    before = files(project)
    states = project / 'experiments/saving/training_states'
    mount('--bind', states, states)
    mount('-o', 'remount,ro,bind', states)
    assert command.statuses() == [2]
    assert (
        f'cannot save {states}/4.state: Read-only file system; the newest checkpoint is of iteration 2'
        in command.output()
    )
    assert 'Traceback' not in command.output()
    after = files(project)
    assert all(after[name] == content for name, content in before.items())


def test_keep_checkpoints_deletes_all_but_the_newest(project):
    run(project, 'train', '-opt', write_stage(project, **{'path:keep_checkpoints': 2}))
    names = sorted(path.name for path in (project / 'experiments/saving').glob('*/*') if path.is_file())
    assert names == [
        '4.state',
        '6.state',
        'net_d_4.pth',
        'net_d_6.pth',
        'net_d_latest.pth',
        'net_g_4.pth',
        'net_g_6.pth',
        'net_g_latest.pth',
    ]


def test_keeping_one_never_deletes_the_newest_whole_one(project):
    """A newer state that is torn does not count: the one gone on from stays until another has been saved."""
    run(project, 'train', '-opt', write_stage(project, **{'train:total_iter': 4}))
    states = project / 'experiments/saving/training_states'
    (states / '4.state').write_bytes((states / '4.state').read_bytes()[:1000])
    path = write_stage(project, **{'path:keep_checkpoints': 1, 'logger:save_checkpoint_freq': 3})
    output = run(project, 'train', '-opt', path, '--auto_resume')
    assert 'Passed over' in output and 'iter: 2.' in output
    assert sorted(path.name for path in states.iterdir()) == ['6.state']


def test_checkpoint_says_where_it_came_from(project):
    path = write_stage(project)
    run(project, 'train', '-opt', path)
    experiment = project / 'experiments/saving'
    for file in ('models/net_g_4.pth', 'models/net_d_4.pth', 'training_states/4.state'):
        source = torch.load(experiment / file, weights_only=True)['checkpoint']
        assert source == {
            'format': 1,
            'package': __version__,
            'torch': torch.__version__,
            'iter': 4,
            'option_file': str(path),
            'experiment': 'saving',
            'stage': 1,
        }


def test_options_that_ran_can_run_again(project):
    """The merged options lie beside the log, and another run of them ends with the same bits."""
    run(project, 'train', '-opt', write_stage(project), '--force_yml', 'train:optim_g:lr=5e-4', 'manual_seed=3')
    (merged,) = (project / 'experiments/saving').glob('options_*.yml')
    assert 'lr: 0.0005' in merged.read_text()
    kept = project / 'kept.yml'
    kept.write_text(merged.read_text().replace('name: saving', 'name: again'))
    run(project, 'train', '-opt', kept)
    assert_same_files(project / 'experiments/saving', project / 'experiments/again', TOTAL)


@pytest.mark.parametrize('keep, left', [(1, ['3.state', '4.state']), (2, ['2.state', '3.state', '4.state'])])
def test_torn_state_of_a_later_iteration_takes_no_place_among_those_kept(tmp_path, keep, left):
    """A run has gone back to iteration 2 behind it, and the next save is all there is until it comes that far again."""
    for folder in ('models', 'training_states'):
        (tmp_path / folder).mkdir()
    for iteration in (1, 2):
        save_checkpoint(tmp_path, {'net_g': {'params': {'a': torch.zeros(2)}}}, {'iter': iteration})
    (tmp_path / 'training_states' / '4.state').write_bytes(b'PK')
    save_checkpoint(tmp_path, {'net_g': {'params': {'a': torch.zeros(2)}}}, {'iter': 3}, keep=keep)
    assert sorted(path.name for path in (tmp_path / 'training_states').iterdir()) == left
    assert (tmp_path / 'models' / 'net_g_3.pth').exists()


def test_weights_that_are_not_finite_never_reach_the_disk(tmp_path):
    (tmp_path / 'models').mkdir()
    sound = {'params': {'a': torch.zeros(2)}, 'network': {'type': 'X'}}
    spoilt = {'params': {'b': torch.zeros(2)}, 'params_ema': {'b': torch.tensor([0, float('inf')])}}
    save_networks(tmp_path, {'net_g': sound}, 1)
    with pytest.raises(UserError, match='net_d has values that are not finite, b for one, and is not saved'):
        save_networks(tmp_path, {'net_g': sound, 'net_d': spoilt}, 2)
    assert [path.name for path in (tmp_path / 'models').iterdir()] == ['net_g_1.pth']
