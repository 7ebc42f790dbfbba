"""Torn, damaged and foreign checkpoint files: refused in a line before anything changes, or passed over."""

import pickle
import random
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from ..helpers.processes import CONTEXT, run
from ..helpers.quickstart import stage_options, write_options

TOTAL = 6


@pytest.fixture(scope='module')
def experiment(trained_project):
    """An experiment of stage III with checkpoints of the iterations 2, 4 and 6."""
    opt = stage_options(3, name='good', **{'train:total_iter': TOTAL, 'train:scheduler:periods': [TOTAL]})
    run(trained_project, 'train', '-opt', write_options(trained_project, opt, 'good.yml'))
    return trained_project / 'experiments' / 'good'


def listing(folder):
    """{path: (size, time of change)} of all below a folder."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob('*'))}


def torn_and_damaged(good, draw):
    """Yield (description, bytes) of files that once were `good`."""
    data = good.read_bytes()
    for share in (0, 0.001, 0.1, 0.5, 0.9, 0.999):
        yield f'first {share:.1%}', data[: int(share * len(data))]
    yield 'last half', data[len(data) // 2 :]
    yield 'zeros', bytes(len(data))
    yield 'end of zeros, as after a power cut', data[:-4096] + bytes(4096)
    yield 'text', b'no checkpoint\n'
    yield 'web page', b'<!DOCTYPE html><html><body>404: not found</body></html>'
    for _ in range(8):
        # In the middle of the tensors, where torch.load does not look.
        position = draw.randrange(len(data) // 4, len(data) // 2)
        yield f'bit flipped at {position}', data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def foreign_states(folder):
    """Yield (description, file) of training states of others, made with torch.save or pickle."""

    class Hostile:
        def __reduce__(self):
            return Path.touch, (folder / 'hacked',)

    basicsr = {'epoch': 0, 'iter': 4, 'optimizers': [], 'schedulers': []}
    for name, contents in {
        'list': [1, 2, 3],
        'number': 7,
        'empty': {},
        'weights': {'params': {'x': torch.zeros(2)}},
        "BasicSR's": basicsr,
        'hostile': {**basicsr, 'x': Hostile()},
        'newer format': {**basicsr, 'checkpoint': {'format': 99, 'package': '9.0'}},
    }.items():
        torch.save(contents, folder / f'{name}.pt')
        yield name, (folder / f'{name}.pt').read_bytes()
    yield 'pickle', pickle.dumps(basicsr)


def foreign_weights(folder):
    """Yield (description, bytes) of files of weights that are no TSVQGAN's of this size."""
    for name, contents in {
        'other network': {'params': torch.nn.Linear(3, 3).state_dict()},
        'bare': torch.nn.Linear(3, 3).state_dict(),
        'empty params': {'params': {}},
        'nested': {'state': {'model': {}}},
        'tensor': torch.zeros(3),
        'optimizer': torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]).state_dict(),
        'ordered': OrderedDict(a=1),
    }.items():
        torch.save(contents, folder / f'{name}.pt')
        yield name, (folder / f'{name}.pt').read_bytes()


def attempt(folder, cases, output, arguments):
    """In a process of its own: run the command for each case and write (description, status, its lines)."""
    import contextlib
    import io
    import os

    from pgtf_command import run_command

    os.chdir(folder)
    results = []
    for description, target, data in cases:
        before = listing(folder)
        kept = target.read_bytes() if target.exists() else None
        target.write_bytes(data)
        changed = listing(folder)
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream), contextlib.redirect_stdout(stream):
            status = run_command(arguments)
        results.append((description, status, stream.getvalue(), listing(folder) == changed))
        if kept is None:
            target.unlink()
        else:
            target.write_bytes(kept)
        assert listing(folder).keys() == before.keys()
    output.write_bytes(pickle.dumps(results))


def attempts(folder, cases, tmp_path, *arguments):
    output = tmp_path / 'results'
    process = CONTEXT.Process(target=attempt, args=(folder, cases, output, list(map(str, arguments))))
    process.start()
    process.join(500)
    assert process.exitcode == 0
    return pickle.loads(output.read_bytes())


def test_broken_files_are_refused_before_anything_changes(experiment, trained_project, tmp_path, capsys):
    """As the state or the weights that a run is told to start from: one line each, and the good experiment stays."""
    draw = random.Random(0)
    target = tmp_path / 'broken.pth'
    state = experiment / 'training_states' / '4.state'
    # Of stage I, because a PGTFormer with its face parsing network has 120 MB, which are no other bytes.
    weights = trained_project / 'experiments/quickstart_stage1/models/net_g_latest.pth'
    anew, resume = (
        write_options(trained_project, stage_options(stage, name='good', **{f'path:{key}': str(target)}), f'{key}.yml')
        for stage, key in ((1, 'pretrain_network_g'), (3, 'resume_state'))
    )
    hostile = tmp_path / 'foreign'
    hostile.mkdir()
    refused = attempts(
        trained_project,
        [
            (f'weights: {name}', target, data)
            for source in (torn_and_damaged(weights, draw), foreign_weights(hostile))
            for name, data in source
        ],
        tmp_path,
        'train',
        '-opt',
        anew,
    )
    refused += attempts(
        trained_project,
        [
            (f'state: {name}', target, data)
            for source in (torn_and_damaged(state, draw), foreign_states(hostile))
            for name, data in source
        ],
        tmp_path,
        'train',
        '-opt',
        resume,
    )
    for description, status, output, unchanged in refused:
        lines = output.splitlines()
        assert status == 2 and unchanged, (description, output)
        assert 'Traceback' not in output, (description, output)
        complaints = [line for line in lines if line.startswith('basicsr: ')]
        assert len(complaints) == 1 and str(target) in complaints[0] and len(lines) <= 24, (description, output)
    assert not (hostile / 'hacked').exists()
    with capsys.disabled():
        sys.stdout.write(f'\n{len(refused)} torn, damaged and foreign checkpoint files refused\n')
    assert len(refused) >= 50


@pytest.fixture
def copied(experiment, trained_project):
    """The experiment under another name, to break things in."""
    shutil.copytree(experiment, trained_project / 'experiments' / 'broken')
    opt = stage_options(3, name='broken', **{'train:total_iter': TOTAL + 2, 'train:scheduler:periods': [TOTAL + 2]})
    yield trained_project / 'experiments' / 'broken', write_options(trained_project, opt, 'broken.yml')
    shutil.rmtree(trained_project / 'experiments' / 'broken')


@pytest.mark.parametrize('world_size', [1, 2])
def test_resume_passes_over_what_is_broken_and_says_why(copied, world_size):
    folder, path = copied
    (folder / 'training_states' / '6.state').write_bytes(b'PK')
    (folder / 'models' / 'net_d_4.pth').unlink()
    (folder / 'training_states' / 'notes.state').write_text('mine')
    output = run(folder.parents[1], 'train', '-opt', path, '--auto_resume', world_size=world_size)
    passed_over = [line for line in output.splitlines() if 'Passed over' in line]
    assert len(passed_over) == 2
    assert '6.state cannot be read as a training state' in passed_over[0]
    assert 'weights not found' in passed_over[1] and 'net_d_4.pth' in passed_over[1]
    assert 'iter: 2.' in output


def test_network_that_was_written_over_is_no_part_of_a_checkpoint(copied):
    folder, path = copied
    shutil.copy(folder / 'models' / 'net_g_4.pth', folder / 'models' / 'net_g_6.pth')
    output = run(folder.parents[1], 'train', '-opt', path, '--auto_resume')
    assert 'net_g_6.pth is not of iteration 6' in output and 'iter: 4.' in output


def test_resume_does_not_start_over_when_all_is_broken(copied):
    folder, path = copied
    for state in (folder / 'training_states').iterdir():
        state.write_bytes(state.read_bytes()[:500])
    before = listing(folder.parents[1])
    output = run(folder.parents[1], 'train', '-opt', path, '--auto_resume', status=2)
    assert listing(folder.parents[1]) == before
    assert 'has training states, but none that is whole' in output and output.count('cannot be read') == 3


def test_resume_with_another_teacher_is_refused(copied, trained_project):
    _, path = copied
    teacher = trained_project / 'experiments/quickstart_stage1/models/net_g_latest.pth'
    kept = teacher.read_bytes()
    try:
        shutil.copy(teacher.with_name('net_g_2.pth'), teacher)
        contents = torch.load(teacher, weights_only=True)
        contents['params_ema']['decoder.conv_out.bias'] += 1
        torch.save(contents, teacher)
        output = run(trained_project, 'train', '-opt', path, '--auto_resume', status=2)
    finally:
        teacher.write_bytes(kept)
    assert 'net_g_latest.pth has changed since' in output


def test_resume_of_other_networks_is_refused(copied, trained_project):
    _, path = copied
    opt = stage_options(
        3,
        name='broken',
        **{'train:frozen': ['encoder', 'to_latents', 'codebook', 'from_latents', 'decoder', 'parsing_net']},
    )
    path = write_options(trained_project, opt, 'other.yml')
    output = run(trained_project, 'train', '-opt', path, '--auto_resume', status=2)
    assert 'its optimizers do not fit' in output


def test_resume_from_another_experiment_leaves_that_one_as_it_was(experiment, trained_project):
    opt = stage_options(
        3,
        name='branch',
        **{
            'train:total_iter': TOTAL + 2,
            'train:scheduler:periods': [TOTAL + 2],
            'path:resume_state': str(experiment / 'training_states' / '4.state'),
        },
    )
    before = listing(experiment)
    output = run(trained_project, 'train', '-opt', write_options(trained_project, opt, 'branch.yml'))
    assert 'iter: 4.' in output and listing(experiment) == before
    states = trained_project / 'experiments' / 'branch' / 'training_states'
    assert sorted(path.name for path in states.iterdir()) == ['6.state', '8.state']
