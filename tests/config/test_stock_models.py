"""What models of BasicSR's kind do with losses and metrics of an option file, found before a run."""

import pytest
from basicsr.models.sr_model import SRModel
from basicsr.models.srgan_model import SRGANModel
from basicsr.utils.registry import MODEL_REGISTRY

from pgtf_basicsr.config.stock_models import misplaced_losses, unread_losses

L1, MSRL = {'type': 'L1Loss'}, {'type': 'MSRLLoss'}


class Composed(SRModel):
    """Reads its losses by names that it puts together."""

    def init_training_settings(self):
        self.losses = [self.opt['train'][f'{name}_opt'] for name in ('edge', 'colour')]


class Named(SRModel):
    """Reads one more loss."""

    def init_training_settings(self):
        super().init_training_settings()
        self.cri_edge = self.opt['train'].get('contour')


def unread(model, **train):
    return [keys[-1] for keys, _ in unread_losses(model, train, [])]


@pytest.mark.parametrize(
    'model, read, others',
    [
        ('SRModel', ['pixel_opt', 'perceptual_opt'], ['gan_opt', 'msrl_opt', 'losses', 'pixle_opt']),
        ('SRGANModel', ['pixel_opt', 'perceptual_opt', 'gan_opt', 'ldl_opt'], ['msrl_opt', 'losses']),
        ('VideoBaseModel', ['pixel_opt'], ['gan_opt', 'msrl_opt']),
        ('VideoRecurrentModel', ['pixel_opt'], ['gan_opt', 'msrl_opt']),
        ('VideoRecurrentGANModel', ['pixel_opt', 'gan_opt'], ['msrl_opt', 'ldl_opt']),
        ('HiFaceGANModel', ['pixel_opt', 'feature_matching_opt'], ['msrl_opt']),
        ('SRModelWithLosses', ['pixel_opt', 'losses'], ['gan_opt', 'msrl_opt']),
        ('VideoRecurrentGANModelWithLosses', ['pixel_opt', 'gan_opt', 'losses'], ['msrl_opt']),
    ],
)
def test_losses_that_no_one_reads(model, read, others):
    train = {key: {'first': L1} if key == 'losses' else L1 for key in (*read, *others)}
    assert unread(MODEL_REGISTRY.get(model), **train) == others


def test_what_is_no_loss_is_none_of_its_business():
    assert unread(SRModel, optim_x={'type': 'Adam'}, extra={'a': 1}, number=3, nothing=None) == []


def test_models_of_other_projects():
    assert unread(Named, contour=L1, pixel_opt=L1) == []
    # This very file holds the end of a name, '_opt', so that any may be read.
    assert unread(Composed, edge_opt=L1, msrl_opt=MSRL) == []


@pytest.mark.parametrize(
    'train, message',
    [
        ({'pixel_opt': {'type': 'PerceptualLoss'}}, 'is PerceptualLoss, which returns a pair'),
        ({'pixel_opt': {'type': 'PerceptualPair'}}, 'is PerceptualPair, which returns a pair'),
        ({'pixel_opt': {'type': 'CodeFocalLoss'}}, 'CodeFocalLoss does not compare restored with real frames'),
        ({'pixel_opt': {'type': 'WeightedTVLoss'}}, 'WeightedTVLoss does not compare restored with real frames'),
        ({'pixel_opt': {'type': 'GANLoss'}}, 'GANLoss does not compare restored with real frames'),
        ({'perceptual_opt': {'type': 'LPIPSLoss'}}, '{type: PerceptualPair, loss: {type: LPIPSLoss, ...}}'),
        ({'perceptual_opt': {'type': 'L1Loss'}}, 'is L1Loss, which returns one value'),
        ({'gan_opt': {'type': 'L1Loss'}}, 'is L1Loss; it must be an adversarial loss'),
    ],
)
def test_losses_in_the_wrong_place(train, message):
    ((keys, found),) = misplaced_losses(SRGANModel, train, takes_any_pair=False)
    assert message in found and keys == ('train', *train, 'type')


def test_losses_in_their_place():
    pair = {'type': 'PerceptualPair'}
    fit = {'pixel_opt': {'type': 'CombinedLoss'}, 'perceptual_opt': pair, 'gan_opt': {'type': 'AdaptiveGANLoss'}}
    assert list(misplaced_losses(SRGANModel, fit, takes_any_pair=False)) == []
    # A model with `train.losses` adds pairs up, and makes them.
    swapped = {'pixel_opt': pair, 'perceptual_opt': {'type': 'LPIPSLoss'}}
    assert list(misplaced_losses(SRGANModel, swapped, takes_any_pair=True)) == []
