"""Comparing what two runs have left."""

import re

import torch


def assert_same_ending(reference, experiment, total):
    """Two runs ended with the same bits, and logged the same losses in every iteration."""
    assert_same_files(reference, experiment, total)
    expected, found = loss_lines(reference), loss_lines(experiment)
    assert expected == found and len(expected) == total


def assert_same_files(reference, experiment, total):
    """The last checkpoints of two runs hold the same bits, but for what says where they came from."""
    for folder in ('models', 'training_states'):
        names = sorted(path.name for path in (reference / folder).iterdir() if not path.name.startswith('.'))
        last = [name for name in names if f'{total}.' in name or 'latest' in name]
        assert last
        for name in last:
            expected, found = (torch.load(root / folder / name, weights_only=True) for root in (reference, experiment))
            for contents in (expected, found):
                contents.pop('checkpoint')
                contents.pop('agents', None)
            assert_equal(found, expected, f'{folder}/{name}')


def assert_equal(found, expected, where):
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), where
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_equal(found[key], expected[key], f'{where}, {key}')
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for index, pair in enumerate(zip(found, expected)):
            assert_equal(*pair, f'{where}, {index}')
    else:
        assert found == expected, where


def loss_lines(experiment):
    """{iteration: learning rate and losses as logged}; a repeated iteration must have logged the same."""
    lines = {}
    for iteration, rate, losses in logged(experiment, r'iter: +(\d+), lr:\((.*?)\)\].* \(.*?\)\] (.*)'):
        assert lines.setdefault(iteration, (rate, losses)) == (rate, losses)
    return lines


def score_lines(experiment):
    """Distinct lines of scores, in order: each validation's values, best values and their iterations."""
    return list(dict.fromkeys(logged(experiment, r'# (\w+): (.*)')))


def logged(experiment, pattern):
    logs = sorted(experiment.glob('train_*.log'))
    return [match for log in logs for match in re.findall(pattern, log.read_text())]
