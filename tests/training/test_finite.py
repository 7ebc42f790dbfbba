"""Losses and gradients that are not finite: the step leaves no trace, and too many of them stop the run."""

import copy
import re

import pytest
import torch

from pgtf_basicsr.data import VFHQDataset
from pgtf_basicsr.errors import UserError

from ..models.test_training_step import batch, make, weights  # noqa: F401  (a fixture)
from ..processes import run
from ..quickstart import stage_options, write_options


def everything(model):
    """All that an iteration can change."""
    state = {
        'g': model.net_g.state_dict(),
        'ema': model.net_g_ema.state_dict(),
        'optimizers': [optimizer.state_dict() for optimizer in model.optimizers],
    }
    if model.net_d is not None:
        state['d'] = model.net_d.state_dict()
    return copy.deepcopy(state)


def iterate(model, iteration, data):
    model.update_learning_rate(iteration)
    model.feed_data(data)
    model.optimize_parameters(iteration)


def spoilt(value):
    data = batch(seed=9)
    data['gt'][0, 1, 0, 3, 4] = value
    data['key'] = ['clip_7/00000012']
    return data


def assert_equal(found, expected):
    if isinstance(expected, dict):
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, list):
        for pair in zip(found, expected, strict=True):
            assert_equal(*pair)
    elif torch.is_tensor(expected):
        assert torch.equal(found, expected)


@pytest.mark.parametrize('stage', [1, 3])
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_spoilt_sample_changes_nothing(weights, stage, value):  # noqa: F811
    """Neither weights nor codebook, statistics of BatchNorm, EMA or optimizers; and the run goes on as without it."""
    model = make(stage, weights)
    iterate(model, 1, batch(seed=1))
    before = everything(model)
    iterate(model, 2, spoilt(value))
    assert_equal(everything(model), before)
    iterate(model, 3, batch(seed=3))
    assert model.guard.skipped == 1  # what is known of iteration 2
    model.check_last_step()
    assert model.guard.skipped == 0
    assert not torch.equal(before['g']['encoder.conv_in.weight'], model.net_g.state_dict()['encoder.conv_in.weight'])


def test_gradients_that_are_not_finite_are_noticed_where_losses_are(weights):  # noqa: F811
    model = make(1, weights, **{'train:net_d_start_iter': 100})
    iterate(model, 1, batch(seed=1))
    before = everything(model)
    # The square root of an exact zero has an infinite slope, and times zero that is not a number.
    model.cri_pix.forward = lambda output, gt: (output - output).pow(2).sum().sqrt() + (output - gt).abs().mean()
    iterate(model, 2, batch(seed=2))
    assert all(torch.isfinite(value) for value in model.losses.values())
    assert_equal(everything(model), before)


@pytest.mark.parametrize('kind', ['RMSprop', 'SGD'])
def test_optimizers_that_cannot_skip_on_the_device_skip_all_the_same(weights, kind):  # noqa: F811
    """Also their first step, from which SGD's momentum starts."""
    optimizer = {'type': kind, 'lr': 1e-3, 'momentum': 0.9}
    models = [make(3, weights, **{'train:optim_g': optimizer, 'train:optim_d': optimizer}) for _ in range(2)]
    iterate(models[0], 1, spoilt(float('nan')))
    for model in models:
        iterate(model, 2, batch(seed=2))
        iterate(model, 3, batch(seed=3))
    assert_equal(everything(models[0]), everything(models[1]))


def test_loss_scaling_skips_a_spoilt_sample_too(weights):  # noqa: F811
    """Here on the CPU. The loss is infinite and its gradients are finite, so that the scaler by itself sees nothing."""
    model = make(1, weights, **{'train:net_d_start_iter': 100})
    model.scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    iterate(model, 1, batch(seed=1))
    before = everything(model)
    model.cri_pix.forward = lambda output, gt: (output - gt).abs().mean() + float('inf')
    iterate(model, 2, batch(seed=2))
    model.check_last_step()
    assert model.guard.skipped == 1
    assert_equal(everything(model), before)


@pytest.mark.parametrize('learns_by', ['the next iteration', 'the log', 'a checkpoint'])
def test_too_many_in_a_row_stop_the_run(weights, learns_by):  # noqa: F811
    model = make(1, weights, **{'train:max_skipped_steps': 2})
    iterate(model, 1, spoilt(float('nan')))
    iterate(model, 2, batch(seed=2))
    iterate(model, 3, spoilt(float('nan')))
    iterate(model, 4, spoilt(float('nan')))
    with pytest.raises(
        UserError,
        match=(
            r'iteration 5: losses or gradients are not finite \(.*l_g_pix nan.*\), as in 2 steps before it, on '
            r'clip_7/00000012; nothing has been saved since iteration 0'
        ),
    ):
        iterate(model, 5, spoilt(float('nan')))
        {
            'the next iteration': lambda: iterate(model, 6, batch(seed=6)),
            'the log': model.get_current_log,
            'a checkpoint': lambda: model.save(0, 5),
        }[learns_by]()


def test_a_spoilt_part_of_an_accumulated_step_spoils_the_step(weights):  # noqa: F811
    model = make(1, weights, **{'train:accumulate_iters': 2})
    iterate(model, 1, batch(seed=1))
    iterate(model, 2, batch(seed=2))
    before = everything(model)
    iterate(model, 3, spoilt(float('nan')))
    iterate(model, 4, batch(seed=4))
    after = everything(model)
    # The codebook has learned from the sound iteration.
    for state in (before, after):
        for net in ('g', 'ema'):
            state[net] = {name: value for name, value in state[net].items() if 'codebook' not in name}
        state.pop('d')
    assert_equal(after, before)
    model.check_last_step()
    assert model.guard.skipped == 1


@pytest.mark.parametrize('world_size', [1, 2])
def test_diverging_run_ends_in_one_line_and_keeps_its_checkpoint(project, world_size):
    """A learning rate that lets weights overflow; both ranks end, though only their own samples differ."""
    opt = stage_options(
        1,
        name='diverging',
        **{
            'train:total_iter': 12,
            'train:optim_g': {'type': 'SGD', 'lr': 1e18},
            'train:max_skipped_steps': 1,
            'train:warmup_iter': -1,
            'train:scheduler': {'type': 'MultiStepLR', 'milestones': []},
            'logger:save_checkpoint_freq': 100,
        },
    )
    output = run(project, 'train', '-opt', write_options(project, opt), world_size=world_size, status=2)
    lines = [line for line in output.splitlines() if line.startswith('basicsr: ')]
    assert len(lines) == 1 and 'losses or gradients are not finite' in lines[0] and 'Traceback' not in output
    assert lines[0].count('/0000000') == world_size
    assert not list((project / 'experiments/diverging/models').iterdir())
    # Each sample it went wrong on can be made again from its line in the log.
    drawn = re.findall(r'ERROR: .* a sample of the last one was (.*)', output)
    dataset = VFHQDataset(
        {
            **opt['datasets']['train'],
            'dataroot_gt': project / 'datasets/sample/train/GT',
            'dataroot_landmarks': project / 'datasets/sample/train/landmarks',
        }
    )
    assert len(drawn) == 2 and [dataset.reproduce(line)['drawn'] for line in drawn] == drawn
