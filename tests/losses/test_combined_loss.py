"""Several losses in the place of one, by hand and in BasicSR's own training steps."""

import pytest
import torch
from basicsr.losses import build_loss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import nn
from torch.nn import functional as F

from pgtf_basicsr.errors import UserError

from ..reuse.trials import GAN_LOSSES, NETWORK_OF, NETWORKS, frames, step, stock

LOSSES = {'msrl': {'type': 'MSRLLoss', 'scales': [1]}, 'l2': {'type': 'MSELoss', 'loss_weight': 0.5}}
L1 = {'type': 'L1Loss', 'loss_weight': 2.0}


class PairLoss(nn.Module):
    """Returns two values, as BasicSR's PerceptualLoss does, or one of them."""

    def __init__(self, style: bool):
        super().__init__()
        self.style = style

    def forward(self, pred, target):
        return F.l1_loss(pred, target), F.mse_loss(pred, target) if self.style else None


@pytest.fixture(autouse=True)
def pair_loss():
    LOSS_REGISTRY.register(PairLoss)
    yield
    del LOSS_REGISTRY._obj_map['PairLoss']


def test_sum_values_and_gradient():
    pred, target = torch.rand(2, 1, 3, 2, 8, 8).unbind()
    pred.requires_grad_()
    pairs = {'pair': {'type': 'PairLoss', 'style': True}, 'type': {'type': 'PairLoss', 'style': False}}
    criterion = build_loss({'type': 'CombinedLoss', 'losses': {**LOSSES, 'pix': L1, **pairs}})
    l1, l2 = F.l1_loss(pred, target), F.mse_loss(pred, target)
    msrl = F.l1_loss(torch.diff(pred, dim=1), torch.diff(target, dim=1))
    expected = {'msrl': msrl, 'l2': 0.5 * l2, 'pix': 2 * l1, 'pair': l1 + l2, 'type': l1}
    total = criterion(pred, target)
    torch.testing.assert_close(total, sum(expected.values()))
    assert list(criterion.values) == list(expected) and not criterion.values['pix'].requires_grad
    for name, value in expected.items():
        torch.testing.assert_close(criterion.values[name], value.detach())
    (gradient,) = torch.autograd.grad(total, pred)
    torch.testing.assert_close(gradient, *torch.autograd.grad(sum(expected.values()), pred))


def test_a_pair_for_basicsr():
    pred, target = torch.rand(2, 2, 3, 8, 8).unbind()
    one = build_loss({'type': 'PerceptualPair', 'loss': L1})(pred, target)
    assert one[0] == 2 * F.l1_loss(pred, target) and one[1] is None
    two = build_loss({'type': 'PerceptualPair', 'loss': {'type': 'PairLoss', 'style': True}})(pred, target)
    assert two == (F.l1_loss(pred, target), F.mse_loss(pred, target))


def test_no_loss_at_all():
    with pytest.raises(UserError, match='losses is empty'):
        build_loss({'type': 'CombinedLoss', 'losses': {}})


def weights_after(model_type, train, column='video', **more):
    model = stock(model_type, NETWORK_OF[column], train, **more)
    log = step(model, frames(column))
    return model.net_g.state_dict(), log


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_model_with_losses_trains_as_basicsr_trains_with_their_sum():
    combined = {'type': 'CombinedLoss', 'losses': {'l1': L1, **LOSSES}}
    summed, stock_log = weights_after('VideoRecurrentModel', {'pixel_opt': combined})
    single, log = weights_after('VideoRecurrentModelWithLosses', {'pixel_opt': L1, 'losses': LOSSES})
    without, _ = weights_after('VideoRecurrentModel', {'pixel_opt': L1})
    assert same(summed, single) and not same(summed, without)
    assert list(log) == ['l_pix', 'l_msrl', 'l_l2'] and sum(log.values()) == pytest.approx(stock_log['l_pix'])


@pytest.mark.parametrize('column, model', [('image', 'SRModel'), ('video', 'VideoRecurrentModel')])
def test_without_losses_it_is_basicsrs_model_to_the_bit(column, model):
    results = [weights_after(name, {'pixel_opt': L1}, column) for name in (model, f'{model}WithLosses')]
    assert same(results[0][0], results[1][0]) and results[0][1] == results[1][1]


def test_an_iteration_in_which_the_generator_rests_logs_none_of_its_losses():
    model = stock(
        'SRGANModelWithLosses',
        NETWORK_OF['image'],
        {**GAN_LOSSES, 'net_d_iters': 2, 'losses': {'l2': {'type': 'MSELoss'}}},
        network_d=NETWORKS['VQGANDiscriminator'],
    )
    model.feed_data(frames('image'))
    logs = []
    for iteration in (1, 2, 3):
        model.optimize_parameters(iteration)
        logs.append({name for name in model.get_current_log() if name in ('l_g_pix', 'l_l2')})
    assert logs == [set(), {'l_g_pix', 'l_l2'}, set()]
