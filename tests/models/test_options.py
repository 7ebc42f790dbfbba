"""Models use the typed options that option files are checked against: each default is stated once."""

import pytest
import torch
from basicsr.models import build_model
from basicsr.utils.registry import MODEL_REGISTRY
from pydantic import Field

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.models import TSVQGANModel
from pgtf_basicsr.models.ts_vqgan_options import TSVQGANOptions, TSVQGANTraining, TSVQGANValidation

from ..helpers.quickstart import stage_options


class OtherTraining(TSVQGANTraining):
    """Other defaults of training."""

    precision: str = Field('bf16', description='precision')
    accumulate_iters: int = Field(2, description='iterations of a step')
    max_skipped_steps: int = Field(9, description='skipped steps')
    net_d_start_iter: int = Field(5, description='first iteration with adversarial loss')
    commitment_weight: float = Field(0.25, description='weight')
    ema_decay: float = Field(0.5, description='decay')


class OtherValidation(TSVQGANValidation):
    """Other defaults of validation."""

    stride: int = Field(3, description='stride')
    batch_size: int = Field(4, description='windows in a pass')
    reconstruct: str = Field('lq', description='frames to reconstruct')


class OtherOptions(TSVQGANOptions):
    """Stage I with other defaults."""

    train: OtherTraining | None = Field(None, description='how to train')
    val: OtherValidation | None = Field(None, description='how to validate')


class OtherModel(TSVQGANModel):
    """Stage I with other defaults, and nothing else."""

    option_types = OtherOptions


@pytest.fixture
def other_model():
    MODEL_REGISTRY.register(OtherModel)
    yield 'OtherModel'
    del MODEL_REGISTRY._obj_map['OtherModel']


def options_of(model_type, **changes):
    opt = stage_options(1, **changes)
    opt.update(model_type=model_type, dist=False, rank=0, world_size=1, is_train=True, num_gpu=0)
    for key in ('ema_decay', 'net_d_start_iter', 'commitment_weight'):
        # Given in the file; here they are left to their defaults.
        opt['train'].pop(key, None)
    opt['val'].pop('batch_size', None)
    return opt


def batch():
    gt = torch.rand(1, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return {'gt': gt, 'lq': gt}


def test_defaults_changed_in_the_description_change_what_a_model_does(other_model):
    logs = {}
    for name in ('TSVQGANModel', other_model):
        torch.manual_seed(0)
        model = build_model(options_of(name))
        before = model.net_g.encoder.conv_in.weight.clone()
        model.feed_data(batch())
        model.optimize_parameters(1)
        # Two iterations make a step of the other model.
        assert torch.equal(before, model.net_g.encoder.conv_in.weight) == (name == other_model)
        logs[name] = model, model.get_current_log()
    (plain, plain_log), (other, other_log) = logs.values()
    assert (plain.precision, other.precision) == (torch.float32, torch.bfloat16)
    assert (plain.guard.tolerated, other.guard.tolerated) == (3, 9)
    assert not hasattr(plain, 'net_g_ema') and other.ema_decay == 0.5 and hasattr(other, 'net_g_ema')
    assert 'l_g_gan' in plain_log and 'l_g_gan' not in other_log
    assert other_log['l_commit'] == pytest.approx(0.25 * plain_log['l_commit'], rel=0.1)
    assert (other.options.val.stride, other.streaming_options()['batch_size']) == (3, 4)
    assert (plain.input_frame(1, 2), other.input_frame(1, 2)) == (2, 1)


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'train:precision': 'fp64'}, "train.precision is 'fp64'; it must be one of fp32, bf16, fp16"),
        ({'train:accumulate_iters': 0}, 'train.accumulate_iters is 0; it must be 1 or more'),
        ({'val:stride': 4}, 'val.stride is 4; it must be 3 or less'),
        ({'network_d': None}, 'network_d is missing: train.gan_opt needs it'),
    ],
)
def test_a_wrong_value_is_reported_in_one_line(changes, message):
    with pytest.raises(UserError, match=f'^TSVQGANModel: {message}') as refusal:
        build_model(options_of('TSVQGANModel', **changes))
    assert '\n' not in str(refusal.value)


def test_what_basicsr_adds_and_others_need_is_passed_over():
    opt = options_of('TSVQGANModel')
    opt.update(root_path='/somewhere', auto_resume=False, mine={'a': 1})
    opt['path'].update(experiments_root='/somewhere', log='/somewhere', visualization='/somewhere')
    model = build_model(opt)
    assert model.opt['mine'] == {'a': 1} and model.options.train.total_iter == 2
