import pytest
import torch
from basicsr.archs.hifacegan_arch import HiFaceGANDiscriminator

from pgtf_basicsr.losses import FeatureMatchingLoss


def test_value_by_hand():
    """Two discriminators of three layers, the last of which is not compared."""
    pred = [[torch.full((1, 2), value) for value in layers] for layers in ((1.0, 2.0, 9.0), (3.0, 4.0, 9.0))]
    real = [[torch.zeros(1, 2, requires_grad=True) for _ in layers] for layers in pred]
    pred[0][0].requires_grad_()
    loss = FeatureMatchingLoss(loss_weight=0.5)(pred, real)
    assert loss.item() == pytest.approx(0.5 * (1 + 2 + 3 + 4) / 2)
    loss.backward()
    assert torch.equal(pred[0][0].grad, torch.full((1, 2), 0.5 / 2 / 2)) and real[0][0].grad is None


def test_layers_of_the_discriminator():
    torch.manual_seed(0)
    net = HiFaceGANDiscriminator(num_feat=4, num_d=2, n_layers_d=2)
    frames = torch.rand(2, 6, 32, 32)
    first, second = net(frames[:1]), net(frames[1:])
    expected = sum((a - b).abs().mean() for i in range(2) for a, b in zip(first[i][:-1], second[i][:-1])) / 2
    torch.testing.assert_close(FeatureMatchingLoss()(first, second), expected)


def test_frames_are_refused():
    with pytest.raises(ValueError, match='expected a list of features for each discriminator'):
        FeatureMatchingLoss()(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
