"""Which pixels count, against a plain loop over pixels."""

import math

import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.losses import OhemCrossEntropyLoss


def case(spread):
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(4, (2, 6, 5), generator=generator)
    logits = torch.randn(2, 4, 6, 5, generator=generator)
    return logits + spread * torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2), labels


def pixel_losses(logits, labels):
    return sorted(
        (
            -math.log(logits[n, :, y, x].softmax(0)[labels[n, y, x]].item())
            for n in range(2)
            for y in range(6)
            for x in range(5)
        ),
        reverse=True,
    )


@pytest.mark.parametrize('spread, least', [(0.0, 10), (2.0, 10), (9.0, 10), (9.0, 60), (2.0, 1)])
def test_hard_pixels_count_and_no_fewer_than_a_share(spread, least):
    logits, labels = case(spread)
    losses = pixel_losses(logits, labels)
    hard = [loss for loss in losses if loss > -math.log(0.7)]
    kept = hard if len(hard) >= least else losses[:least]
    found = OhemCrossEntropyLoss(threshold=0.7, min_share=least / 60)(logits, labels)
    assert found.item() == pytest.approx(sum(kept) / len(kept), rel=1e-5)


@pytest.mark.parametrize('plain', [{'threshold': 1.0}, {'min_share': 1.0}])
def test_with_all_pixels_it_is_the_cross_entropy(plain):
    logits, labels = case(3.0)
    torch.testing.assert_close(
        OhemCrossEntropyLoss(**plain)(logits, labels), torch.nn.functional.cross_entropy(logits, labels)
    )


def test_only_pixels_that_count_have_gradients():
    logits, labels = case(2.0)
    logits.requires_grad_()
    OhemCrossEntropyLoss(threshold=0.7, min_share=0.0)(logits, labels).backward()
    is_hard = logits.softmax(1).gather(1, labels[:, None])[:, 0] < 0.7
    assert torch.equal(logits.grad.abs().sum(1) > 0, is_hard)


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match='threshold'):
        OhemCrossEntropyLoss(threshold=0.0)
    with pytest.raises(ValueError, match='disagree'):
        OhemCrossEntropyLoss()(torch.zeros(2, 4, 6, 5), torch.zeros(2, 6, 6, dtype=torch.int64))
