"""A misspelt option of a registered class is an error of one line in a program that has not checked its option file."""

import numpy as np
import pytest
from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.losses import build_loss
from basicsr.metrics import calculate_metric
from basicsr.models import build_model

from pgtf_basicsr import metrics
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.metrics.unknown_options import refuse_unknown_options

from ..helpers.quickstart import parsing_options, stage_options
from .trials import IMAGE_NETWORK, stock

LOSSES = {'msrl': {'type': 'MSRLLoss'}}
STATE = {'dist': False, 'rank': 0, 'world_size': 1, 'is_train': True, 'num_gpu': 0}


def own_model(options, **changes):
    return build_model({**options, **STATE, **changes})


CASES = {
    'network': (lambda: build_network({'type': 'TSVQGAN', 'widht': 32}), "'widht'"),
    'network of networks': (lambda: build_network({'type': 'PGTFormer', 'widht': 32}), "'widht'"),
    'adapter': (lambda: build_network({'type': 'SingleOutputNetwork', 'netwrok': {}}), "'netwrok'"),
    'adapted': (
        lambda: build_network({'type': 'SingleOutputNetwork', 'network': {'type': 'TSVQGAN', 'widht': 32}}),
        "'widht'",
    ),
    'loss': (lambda: build_loss({'type': 'MSRLLoss', 'scals': [1]}), "'scals'"),
    'combined loss': (
        lambda: build_loss({'type': 'CombinedLoss', 'losses': {'msrl': {'type': 'MSRLLoss', 'scals': [1]}}}),
        'CombinedLoss: losses.msrl.scals: there is no such option; did you mean scales?',
    ),
    'loss that is none': (
        lambda: build_loss({'type': 'CombinedLoss', 'losses': {'msrl': {'type': 'MRSLLoss'}}}),
        'CombinedLoss: losses.msrl.type: nothing is registered as MRSLLoss; did you mean MSRLLoss?',
    ),
    'loss without frames': (
        lambda: build_loss({'type': 'PerceptualPair', 'loss': {'type': 'CodeFocalLoss'}}),
        'PerceptualPair: loss.type: CodeFocalLoss does not compare restored with real frames',
    ),
    'dataset': (
        lambda: build_dataset({'type': 'VFHQDataset', 'phase': 'val', 'dataroot_gt': '.', 'gt_sise': 64}),
        'dataset VFHQDataset: gt_sise: there is no such option; did you mean gt_size?',
    ),
    'labelled images': (
        lambda: build_dataset({'type': 'CelebAMaskHQDataset', 'dataroot': '.', 'color_jiter': 0.1}),
        'color_jiter: there is no such option; did you mean color_jitter?',
    ),
    'metric': (
        lambda: calculate_metric(
            {'img': np.zeros(1), 'img2': np.zeros(1)}, {'type': 'calculate_lpips', 'nett': 'alex'}
        ),
        'calculate_lpips: there is no such option as nett; did you mean net?',
    ),
    'model': (
        lambda: own_model(stage_options(1, **{'train:precison': 'bf16'})),
        'TSVQGANModel: train.precison: there is no such option; did you mean precision?',
    ),
    'model of parsing': (
        lambda: own_model(parsing_options(**{'train:precison': 'bf16'})),
        'FaceParsingModel: train.precison: there is no such option; did you mean precision?',
    ),
    'metric of a model': (
        lambda: own_model(stage_options(1, **{'val:metrics': {'it': {'type': 'calculate_msrl', 'scals': [1]}}})),
        'TSVQGANModel: val.metrics.it.scals: there is no such option; did you mean scales?',
    ),
    'losses of a model': (
        lambda: stock('SRModelWithLosses', IMAGE_NETWORK, {'pixel_opt': {'type': 'L1Loss'}, 'lossses': LOSSES}),
        'SRModelWithLosses: train.lossses: there is no such option; did you mean losses?',
    ),
    'loss that is not read': (
        lambda: stock(
            'SRModelWithLosses', IMAGE_NETWORK, {'pixel_opt': {'type': 'L1Loss'}, 'msrl_opt': LOSSES['msrl']}
        ),
        'SRModelWithLosses: train.msrl_opt: SRModelWithLosses reads no such loss',
    ),
    'name in the log': (
        lambda: stock('SRModelWithLosses', IMAGE_NETWORK, {'losses': {'style': {'type': 'L1Loss'}}}),
        'SRModelWithLosses: train.losses.style: l_style is the name of another loss in the log',
    ),
    'metric of clips': (
        lambda: stock('SRModelWithLosses', IMAGE_NETWORK, {'losses': LOSSES}, {'it': {'type': 'calculate_tlme'}}),
        'val.metrics.it.type: calculate_tlme looks at 2 frames in a row, which SRModelWithLosses cannot measure',
    ),
}


@pytest.mark.parametrize('case', CASES)
def test_it_is_refused_in_one_line(case):
    build, message = CASES[case]
    with pytest.raises((UserError, TypeError)) as refusal:
        build()
    assert message in str(refusal.value) and '\n' not in str(refusal.value)


@pytest.mark.parametrize('name', [name for name in metrics.__all__ if name.startswith('calculate_')])
def test_every_metric_refuses_what_it_does_not_take(name):
    metric = getattr(metrics, name)
    given = ('logits', 'codes') if 'accuracy' in name else ('prediction', 'truth') if 'iou' in name else ('img', 'img2')
    with pytest.raises(UserError, match=f'^{name}: there is no such option as colour$'):
        metric(**dict.fromkeys(given), colour='red')
    refuse_unknown_options(metric, {'img2': None, 'better': 'lower'})
