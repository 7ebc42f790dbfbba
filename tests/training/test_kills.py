"""Runs of the quickstart that are killed again and again end with the same bits as those that were let alone."""

import glob
import random
import sys
import time

import pytest

from ..helpers.experiments import assert_same_ending, score_lines
from ..helpers.processes import Run, run
from ..helpers.quickstart import stage_options, write_options

pytestmark = pytest.mark.slow(seconds=30)

TOTAL = 8
# (stage, processes, kills), half of the kills at any time, half while a checkpoint is written. What stage III does,
# stage IV does too.
RUNS = [(1, 1, 4), (2, 1, 4), (3, 1, 2), (4, 1, 2), (1, 2, 2), (4, 2, 2)]


def write_stage(folder, stage, name):
    """Option file of a stage that saves every second iteration and passes the end of an epoch."""
    changes = {'train:total_iter': TOTAL, 'val:val_freq': 4, 'datasets:train:windows_per_clip': 3}
    opt = stage_options(stage, name=name, **changes)
    opt['train']['scheduler']['periods'] = [TOTAL]
    return write_options(folder, opt, f'{name}.yml')


@pytest.mark.parametrize('stage, world_size, total_kills', RUNS)
def test_killed_run_ends_with_the_same_bits(trained_project, stage, world_size, total_kills, capsys):
    project = trained_project
    reference, victim = (f'{name}_{stage}_{world_size}' for name in ('let_alone', 'killed'))
    run(project, 'train', '-opt', write_stage(project, stage, reference), world_size=world_size)

    path = write_stage(project, stage, victim)
    experiment = project / 'experiments' / victim
    kills = {'at any time': 0, 'while saving': 0}
    draw = random.Random(f'{stage} {world_size}')
    for attempt in range(total_kills):
        command = Run(project, 'train', '-opt', path, '--auto_resume', world_size=world_size)
        if attempt % 2:
            saving = wait_for_saving(command, experiment, draw.randrange(3))
            kills['while saving'] += command.kill() and saving
        else:
            wait_for_iterations(command, draw.randrange(3))
            command.wait(draw.uniform(0, 0.3))
            kills['at any time'] += command.kill()
    run(project, 'train', '-opt', path, '--auto_resume', world_size=world_size)

    with capsys.disabled():
        sys.stdout.write(f'\nstage {stage}, {world_size} process(es): {sum(kills.values())} kills survived, {kills}\n')
    assert all(kills.values())
    assert_same_ending(project / 'experiments' / reference, experiment, TOTAL)
    assert score_lines(project / 'experiments' / reference) == score_lines(experiment)
    assert not list(experiment.glob('*/.*'))


def wait_for_iterations(command, count):
    """Wait until a run has logged so many iterations."""
    while command.processes[0].is_alive() and command.output().count(', lr:(') < count:
        time.sleep(0.005)


def wait_for_saving(command, experiment, passed):
    """Wait until a file is being written, after some others; returns whether that came before the run's end."""
    process = command.processes[0]
    seen = set()
    while process.is_alive():
        # Not Path.glob, which raises where a run just archives what one killed before its first checkpoint has left.
        seen.update(glob.glob(f'{glob.escape(str(experiment))}/*/.*.partial-{process.pid}*'))
        if len(seen) > passed:
            return True
        # A file takes tens of milliseconds; looking all the time would take a core.
        time.sleep(0.001)
    return False
