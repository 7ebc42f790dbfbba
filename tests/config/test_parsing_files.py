"""Mistakes in option files of face parsing."""

import pytest

from pgtf_basicsr import config
from pgtf_basicsr.errors import UserError

from ..helpers.mutations import misspelt_keys, replaced, wrong_types

PARSING = 'parsing.yml'


def complaint(text, folder):
    (folder / 'parsing.yml').write_text(text)
    file = config.read('parsing.yml')
    with pytest.raises(UserError) as refusal:
        config.check(file, is_train=True)
    return str(refusal.value)


@pytest.mark.parametrize('broken', [*misspelt_keys(PARSING), *wrong_types(PARSING)], ids=lambda broken: broken.what)
def test_every_key_and_type_is_checked(broken, project):
    message = complaint(broken.text, project)
    assert broken.names in message and (broken.line is None or f'parsing.yml, line {broken.line}: ' in message)


@pytest.mark.parametrize(
    'old, new, expected',
    [
        (
            'batch_size_per_gpu: 8',
            'batch_size_per_gpu: 1',
            'datasets.train.batch_size_per_gpu is 1; it must be 2 or more',
        ),
        ('    size: 64', '    size: 64\n    images: [5, 3]', 'datasets.train.images is [5, 3]; it must be two numbers'),
        ('    size: 64', '    size: 64\n    images: [5]', 'datasets.train.images is [5]'),
        ('    size: 64', '    size: 64\n    images: [0, 3]\n    meta_info_file: parsing.yml', 'leave one out'),
        ('    size: 64', '    size: 64\n    degradation: {resize_back: false, scale: [2, 2]}', 'resize_back is false'),
        ('    size: 64', '    size: 64\n    degradation: {sigma: [3, 1]}', 'datasets.train.degradation.sigma'),
        ('scale: [1.35, 1.65]', 'scale: [0, 1]', 'datasets.train.placement.scale'),
        ('    color_jitter: 0.2', '    color_jitter: 1.2', 'datasets.train.color_jitter is 1.2; it must be 1'),
        ('threshold: 0.7', 'threshold: 7', 'train.parsing_opt.threshold is 7'),
        ('  auxiliary_weight: 1.0', '  pixel_opt: {type: L1Loss}', 'train.pixel_opt: there is no such option'),
        ('  auxiliary_weight: 1.0', '  stage: 2', 'train.stage: there is no such option'),
        ('type: FaceParsingNet', 'type: TSVQGAN', 'network_g.type is TSVQGAN, which FaceParsingModel cannot run'),
        (
            '  resume_state: ~',
            '  pretrain_network_backbone: resnet.pth',
            'path.pretrain_network_backbone: resnet.pth does',
        ),
        ('  resume_state: ~', '  pretrain_network_d: ~', 'path.pretrain_network_d: there is no such option'),
        (
            '  save_img: true',
            '  save_img: true\n  metrics: {psnr: {type: calculate_psnr, crop_border: 0}}',
            'val.metrics',
        ),
    ],
)
def test_contradictions(old, new, expected, project):
    assert expected in complaint(replaced(PARSING, old, new), project)


@pytest.mark.parametrize(
    'old, new',
    [
        ('  val:\n', '  val_1:\n'),
        ('    size: 64', '    size: 64\n    images: [0, 3]\n    use_hflip: true'),
        ('    size: 64', '    size: 64\n    degradation: {sigma: [0.5, 1.5], scale: [2, 3]}\n    seed: 4'),
        ('type: Adam\n    lr: 1e-3', 'type: SGD\n    lr: 1e-2\n    momentum: 0.9\n    weight_decay: 5e-4'),
        ('  ema_decay: 0.9', '  frozen: [cp]\n  accumulate_iters: 4\n  precision: bf16'),
    ],
)
def test_good_variations(old, new, project):
    (project / 'parsing.yml').write_text(replaced(PARSING, old, new))
    config.check(config.read('parsing.yml'), is_train=True)
