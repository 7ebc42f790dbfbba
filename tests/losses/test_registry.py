import pytest
import torch
from basicsr.losses import build_loss
from basicsr.utils.registry import LOSS_REGISTRY

from pgtf_basicsr import losses

VIDEO = (2, 3, 3, 32, 32)
LOGITS, CODES = (2, 3, 4, 4, 8), (2, 3, 4, 4)
LATENTS = (2, 3, 4, 4, 8)

CASES = {
    'AdaptiveGANLoss': {},
    'CodeCrossEntropyLoss': {},
    'CodeFeatureLoss': {},
    'CodeFocalLoss': {},
    'GradientL1Loss': {},
    'LPIPSLoss': {'net': 'alex'},
    'MSRLLoss': {},
    'OhemCrossEntropyLoss': {},
    'TemporalLPIPSLoss': {'net': 'alex'},
    'VGGPerceptualLoss': {'layers': {'conv1_2': 1.0}},
}


def inputs(name):
    """(pred, target) of the loss ``name``, both floating tensors asking for gradients where they can."""
    torch.manual_seed(0)
    if name in ('CodeCrossEntropyLoss', 'CodeFocalLoss'):
        return torch.randn(LOGITS, requires_grad=True), torch.randint(8, CODES)
    if name == 'OhemCrossEntropyLoss':
        return torch.randn(2, 8, 6, 6, requires_grad=True), torch.randint(8, (2, 6, 6))
    shape = LATENTS if name == 'CodeFeatureLoss' else VIDEO
    return torch.rand(shape, requires_grad=True), torch.rand(shape, requires_grad=True)


def options(name, backbone_file):
    weights = {
        'LPIPSLoss': ('alexnet', None),
        'TemporalLPIPSLoss': ('alexnet', None),
        'VGGPerceptualLoss': ('vgg19', 3),
    }
    extra = {'weights': str(backbone_file(*weights[name]))} if name in weights else {}
    return {'type': name, **CASES[name], **extra}


@pytest.fixture(scope='module')
def criterion(request, backbone_file):
    return build_loss(options(request.param, backbone_file))


def test_every_loss_is_registered_under_its_class_name():
    # Those that hold other losses or compare lists have tests of their own.
    assert set(losses.__all__) == {*CASES, 'CombinedLoss', 'FeatureMatchingLoss', 'PerceptualPair'}
    for name in losses.__all__:
        assert LOSS_REGISTRY.get(name) is getattr(losses, name)


PAIRED = sorted(set(CASES) - {'AdaptiveGANLoss'})
SAME_SHAPE = sorted(set(PAIRED) - {'CodeCrossEntropyLoss', 'CodeFocalLoss', 'OhemCrossEntropyLoss'})


@pytest.mark.parametrize('criterion', PAIRED, indirect=True)
def test_loss_is_a_weighted_scalar_with_gradient_to_pred_only(criterion, monkeypatch):
    pred, target = inputs(type(criterion).__name__)
    loss = criterion(pred, target)
    assert criterion.loss_weight == 1.0
    assert loss.shape == () and loss > 0
    loss.backward()
    assert pred.grad.isfinite().all() and pred.grad.abs().sum() > 0
    assert target.grad is None

    monkeypatch.setattr(criterion, 'loss_weight', 0.25)
    torch.testing.assert_close(criterion(pred, target), 0.25 * loss)


@pytest.mark.parametrize('criterion', SAME_SHAPE, indirect=True)
def test_equal_inputs_cost_nothing_and_unequal_shapes_are_refused(criterion):
    pred, _ = inputs(type(criterion).__name__)
    assert criterion(pred, pred.detach()).item() == pytest.approx(0, abs=1e-7)
    with pytest.raises(ValueError, match='same shape'):
        criterion(pred, pred[:1])
