import math

import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.losses import CodeCrossEntropyLoss, CodeFeatureLoss, CodeFocalLoss

# Probabilities 1/2, 1/4, 1/8, 1/8.
LOGITS = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
LOG2 = math.log(2)


def two_codes():
    """Logits (1, 1, 1, 2, 4) and codes whose probabilities are 1/2 and 1/8."""
    return LOGITS.expand(1, 1, 1, 2, 4), torch.tensor([0, 3]).view(1, 1, 1, 2)


def test_cross_entropy_by_hand():
    assert CodeCrossEntropyLoss()(*two_codes()).item() == pytest.approx((1 + 3) / 2 * LOG2)


def test_label_smoothing_by_hand():
    # The evenly spread share costs the mean of −log p over all four codes.
    expected = 0.9 * 2 * LOG2 + 0.1 * (1 + 2 + 3 + 3) / 4 * LOG2
    assert CodeCrossEntropyLoss(label_smoothing=0.1)(*two_codes()).item() == pytest.approx(expected)


@pytest.mark.parametrize('gamma', [0, 0.5, 2])
def test_focal_by_hand(gamma):
    expected = (0.5**gamma * LOG2 + 0.875**gamma * 3 * LOG2) / 2
    assert CodeFocalLoss(gamma=gamma)(*two_codes()).item() == pytest.approx(expected)


@pytest.mark.parametrize('gamma', [0, 0.5, 2])
def test_focal_gradient_is_finite_for_codes_predicted_with_certainty(gamma):
    logits = torch.tensor([[1000.0, 0.0], [0.0, 1000.0]], requires_grad=True)
    CodeFocalLoss(gamma=gamma)(logits, torch.tensor([0, 0])).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize('loss', [CodeCrossEntropyLoss(), CodeFocalLoss()])
def test_axes_before_the_last_do_not_matter(loss):
    torch.manual_seed(0)
    logits, codes = torch.randn(2, 3, 4, 5, 8), torch.randint(8, (2, 3, 4, 5))
    torch.testing.assert_close(loss(logits, codes), loss(logits.view(-1, 8), codes.view(-1)))


@pytest.mark.parametrize('loss', [CodeCrossEntropyLoss(), CodeFocalLoss()])
def test_shapes_that_only_hold_as_many_codes_are_refused(loss):
    with pytest.raises(ValueError, match='disagree'):
        loss(torch.randn(1, 3, 2, 4, 8), torch.zeros(1, 3, 4, 2, dtype=torch.int64))


def test_negative_gamma_is_the_users_mistake():
    with pytest.raises(UserError, match='gamma'):
        CodeFocalLoss(gamma=-1)


def test_feature_by_hand():
    latents = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert CodeFeatureLoss()(latents, torch.tensor([[1.0, 0.0], [0.0, 4.0]])).item() == pytest.approx((4 + 9) / 4)
