"""Whole runs of face parsing: resuming, two processes, the quickstart, and stage II from its weights."""

import json
import re
import shutil

import pytest
import torch

from .helpers import quickstart
from .helpers.experiments import assert_same_ending
from .helpers.processes import run


@pytest.fixture
def project(tmp_path):
    """A folder with a few labelled pictures."""
    quickstart.write_labelled_data(tmp_path)
    return tmp_path


def write(folder, name, **changes):
    opt = quickstart.parsing_options(name=name, **{'logger:save_checkpoint_freq': 2, **changes})
    return quickstart.write_options(folder, opt, f'{name}.yml')


def test_a_resumed_run_ends_with_the_same_bits(project):
    """Stopped in the middle of its second epoch, with draws of mirror, colours and degradation."""
    changes = {
        'train:total_iter': 4,
        'train:scheduler:periods': [4],
        'datasets:train:use_hflip': True,
        'datasets:train:degradation': {'sigma': [0.5, 1.5], 'scale': [2, 3]},
        'train:optim_g': {'type': 'SGD', 'lr': 1e-2, 'momentum': 0.9, 'weight_decay': 5e-4},
    }
    path = write(project, 'parsing', **changes)
    run(project, 'train', '-opt', path)
    whole = project / 'experiments' / 'parsing'
    shutil.move(whole, project / 'whole')
    whole, resumed = project / 'whole', whole
    for folder in ('models', 'training_states'):
        (resumed / folder).mkdir(parents=True)
        for file in (whole / folder).glob('*2.*'):
            shutil.copy(file, resumed / folder)
    output = run(project, 'train', '-opt', path, '--auto_resume')
    assert 'iter: 2.' in output and '# mean_iou: ' in output and 'majority class: ' in output
    for log in whole.glob('train_*.log'):
        # The resumed run logs its last two iterations alone.
        shutil.copy(log, resumed / 'train_00000000_000000.log')
    assert_same_ending(whole, resumed, 4)


def test_two_processes_score_as_one(project):
    scores = []
    opt = quickstart.parsing_options()
    path = quickstart.write_options(project, opt)
    run(project, 'train', '-opt', path, world_size=2)
    for name, world_size in (('one', 1), ('two', 2)):
        run(
            project,
            'test',
            '-opt',
            path,
            '--force_yml',
            f'name={name}',
            'path:pretrain_network_g=experiments/quickstart_parsing/models/net_g_latest.pth',
            world_size=world_size,
        )
        scores.append(json.loads((project / 'results' / name / 'metrics_held_out.json').read_text()))
    assert scores[0] == scores[1]


@pytest.mark.slow(seconds=30)
def test_the_quickstart_learns_and_stage_2_starts_from_it(tmp_path):
    """Better than the most frequent class on held-out pictures; stage II takes the weights and leaves them alone."""
    run(tmp_path, 'sample-data', 'datasets/sample_parsing', '--parsing')
    # A third of its iterations are enough to see it.
    output = run(
        tmp_path,
        'train',
        '-opt',
        quickstart.QUICKSTART / 'parsing.yml',
        '--force_yml',
        'train:total_iter=40',
        'train:scheduler:periods=[40]',
    )
    ((score, majority),) = re.findall(r'# mean_iou: ([\d.]+)\t\(majority class: ([\d.]+)\)', output)
    assert float(score) > 0.25 > 5 * float(majority)

    run(tmp_path, 'test', '-opt', quickstart.QUICKSTART / 'parsing.yml')
    scores = json.loads((tmp_path / 'results/quickstart_parsing/metrics_held_out.json').read_text())
    assert scores['mean']['mean_iou'] == pytest.approx(
        {'predicted': float(score), 'majority': float(majority)}, abs=1e-4
    )
    assert len(list((tmp_path / 'results/quickstart_parsing/visualization/held_out').glob('*/strip_*.png'))) == 12

    quickstart.write_data(tmp_path)
    run(tmp_path, 'train', '-opt', quickstart.write_options(tmp_path, quickstart.stage_options(1), 'stage1.yml'))
    weights = 'experiments/quickstart_parsing/models/net_g_latest.pth'
    stage_2 = quickstart.stage_options(2, **{'path:pretrain_network_parsing': weights})
    output = run(tmp_path, 'train', '-opt', quickstart.write_options(tmp_path, stage_2, 'stage2.yml'))
    assert f'Loading FaceParsingNet from {weights}' in output and 'is trained jointly' not in output
    given = torch.load(tmp_path / weights, weights_only=True)['params_ema']
    found = torch.load(tmp_path / 'experiments/quickstart_stage2/models/net_g_latest.pth', weights_only=True)['params']
    assert all(torch.equal(found[f'parsing_net.{name}'], tensor) for name, tensor in given.items())
