import math

import pytest
import torch
from torch import distributed, nn

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.losses import AdaptiveGANLoss, adaptive_gan_loss

LOGITS = torch.tensor([2.0, 0.0, -3.0])


def log_sigmoid(x):
    return -math.log1p(math.exp(-x))


def test_hinge_by_hand():
    criterion = AdaptiveGANLoss('hinge', loss_weight=0.5)
    assert criterion(LOGITS, True, is_disc=True).item() == pytest.approx((0 + 1 + 4) / 3)
    assert criterion(LOGITS, False, is_disc=True).item() == pytest.approx((3 + 1 + 0) / 3)
    assert criterion(LOGITS, True).item() == pytest.approx(0.5 * (-2 + 0 + 3) / 3)


def test_vanilla_is_equation_5():
    criterion = AdaptiveGANLoss('vanilla', loss_weight=0.5)
    log_real = sum(log_sigmoid(x) for x in LOGITS.tolist()) / 3
    log_fake = sum(log_sigmoid(-x) for x in LOGITS.tolist()) / 3  # log(1 − D)
    assert criterion(LOGITS, True, is_disc=True).item() == pytest.approx(-log_real)
    assert criterion(LOGITS, False, is_disc=True).item() == pytest.approx(-log_fake)
    assert criterion(LOGITS, True).item() == pytest.approx(0.5 * log_fake)


@pytest.mark.parametrize('gan_type', ['hinge', 'vanilla'])
def test_generator_learns_to_look_real(gan_type):
    logits = LOGITS.clone().requires_grad_()
    AdaptiveGANLoss(gan_type)(logits, True).backward()
    assert (logits.grad < 0).all()


def linear_losses():
    """A last layer y = W x with losses whose gradients at W have norms 10 and 2."""
    layer = nn.Linear(2, 1, bias=False)
    x = torch.tensor([3.0, 4.0])
    output = layer(x).sum()
    return layer, 2 * output, 0.4 * output


@pytest.mark.parametrize('loss_scale', [1.0, 65536.0])
@pytest.mark.parametrize('loss_weight', [1.0, 0.25])
def test_adaptive_weight_is_the_ratio_of_gradient_norms(loss_weight, loss_scale):
    layer, reconstruction, adversarial = linear_losses()
    criterion = AdaptiveGANLoss(loss_weight=loss_weight)
    weighted = loss_weight * adversarial
    weight = criterion.adaptive_weight(reconstruction, weighted, layer.weight, loss_scale)
    assert weight.item() == pytest.approx(10 / (2 + 1e-4))
    assert not weight.requires_grad


def test_loss_weight_applies_once():
    layer, reconstruction, adversarial = linear_losses()
    criterion = AdaptiveGANLoss(loss_weight=0.75)
    weighted = criterion(-adversarial, True)  # the hinge generator's −x
    weighted = criterion.adaptive_weight(reconstruction, weighted, layer.weight) * weighted
    weighted.backward()
    assert layer.weight.grad.norm().item() == pytest.approx(0.75 * 10, rel=1e-3)


def test_adaptive_weight_leaves_gradients_and_graph_alone():
    layer, reconstruction, adversarial = linear_losses()
    AdaptiveGANLoss(loss_weight=1.0).adaptive_weight(reconstruction, adversarial, layer.weight)
    assert layer.weight.grad is None
    (reconstruction + adversarial).backward()
    assert layer.weight.grad.norm().item() == pytest.approx(12)


def test_adaptive_weight_is_clamped():
    layer, reconstruction, adversarial = linear_losses()
    assert AdaptiveGANLoss(max_weight=3.0).adaptive_weight(reconstruction, adversarial, layer.weight) == 3.0
    assert AdaptiveGANLoss().adaptive_weight(1e6 * reconstruction, 0 * adversarial, layer.weight) == 1e4


def test_ranks_share_the_mean_weight(monkeypatch):
    layer, reconstruction, adversarial = linear_losses()
    criterion = AdaptiveGANLoss(loss_weight=1.0)
    own = criterion.adaptive_weight(reconstruction, adversarial, layer.weight).item()
    monkeypatch.setattr(adaptive_gan_loss, 'get_dist_info', lambda: (0, 2))
    monkeypatch.setattr(distributed, 'all_reduce', lambda weight: weight.add_(3.0))  # the other rank has 3
    shared = criterion.adaptive_weight(reconstruction, adversarial, layer.weight).item()
    assert shared == pytest.approx((own + 3.0) / 2)


def test_options_are_checked():
    with pytest.raises(UserError, match='hinge or vanilla, got wgan'):
        AdaptiveGANLoss('wgan')
    with pytest.raises(UserError, match='loss_weight must be above 0'):
        AdaptiveGANLoss(loss_weight=0)
