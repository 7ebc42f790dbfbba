"""Training of variants of the network, and of the stages as published."""

import pytest
import torch

from pgtf_basicsr import config
from pgtf_basicsr.errors import UserError

from ..helpers.backbones import seeded_features, torchvision_names
from ..helpers.quickstart import ROOT, stage_options
from ..helpers.training_steps import build, make
from .test_training_step import moved

FRESH = {'path:skip_load_g': ['regulators']}
NO_TFR = {'network_g:tfr_levels': [], **FRESH}
NO_PIXELS = {'train:pixel_opt': None, 'train:perceptual_opt': None, 'train:gan_opt': None}


@pytest.mark.parametrize(
    'stage, changes, expected',
    [
        (2, {'network_g:predictor_position': 'learned'}, {'encoder', 'to_latents', 'predictor'}),
        (2, {'network_g:predictor_attention': 'spatial'}, {'encoder', 'to_latents', 'predictor', 'parsing_net'}),
        (3, {'network_g:tfr_temporal': False, **FRESH}, {'encoder', 'to_latents', 'predictor', 'regulators'}),
        (3, NO_TFR | NO_PIXELS, {'encoder', 'to_latents', 'predictor'}),
    ],
)
def test_what_training_moves_in_a_variant(weights, stage, changes, expected):
    assert moved(make(stage, weights, **changes)) == expected


def test_skipped_modules_start_anew_and_all_others_from_the_file(weights):
    model = make(3, weights, **FRESH)
    given = torch.load(weights / 'network_g.pth', weights_only=True)['params']
    equal = {name: torch.equal(given[name], tensor) for name, tensor in model.net_g.state_dict().items()}
    assert {name.split('.')[0] for name, alike in equal.items() if not alike} == {'regulators'}
    with pytest.raises(UserError, match=r'network_g.pth does not fit PGTFormer: unexpected: regulators'):
        make(3, weights, **{'network_g:tfr_temporal': False})
    with pytest.raises(UserError, match='path.skip_load_g names regulator, but network_g has: encoder'):
        make(3, weights, **{'path:skip_load_g': ['regulator']})


@pytest.mark.parametrize(
    'changes, message',
    [
        (
            NO_TFR,
            'train.pixel_opt trains nothing: network_g.tfr_levels is empty and the decoder is frozen; take it out',
        ),
        (
            {'network_g:predictor_position': 'learned', 'path:pretrain_network_parsing': 'parsing.pth'},
            'path.pretrain_network_parsing names weights of the face parsing network, but .* is learned: take it out',
        ),
        ({'network_g:swin3d': False}, 'network_vqgan.swin3d is True, but network_g.swin3d is False: make them equal'),
    ],
)
def test_what_a_variant_has_no_use_for_is_refused(weights, tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'parsing.pth').touch()
    with pytest.raises(UserError, match=message):
        make(3, weights, **changes)


@pytest.mark.parametrize('stage', [2, 3, 4])
def test_the_published_stages_train(stage, weights, tmp_path):
    """With the losses of their files, on networks of the quickstart."""
    torch.save(torchvision_names(seeded_features('vgg16', 30)), tmp_path / 'vgg.pth')
    opt, published = stage_options(stage), config.load(ROOT / f'options/published/stage{stage}.yml')['train']
    losses = {name: loss for name, loss in published.items() if name.endswith('_opt')}
    for name in [name for name in opt['train'] if name.endswith('_opt')]:
        del opt['train'][name]
    opt['train'].update(losses)
    if 'perceptual_opt' in losses:
        losses['perceptual_opt']['weights'] = str(tmp_path / 'vgg.pth')
    for name in ('network_g', 'network_vqgan', 'network_d'):
        if opt['path'].get(f'pretrain_{name}'):
            opt['path'][f'pretrain_{name}'] = str(weights / f'{name}.pth')
    model = build(opt)
    assert {'encoder', 'to_latents', 'predictor'} < moved(model)
    logged = {
        2: {'l_code', 'l_feature'},
        3: {'l_code', 'l_feature', 'l_g_pix', 'l_g_percep', 'l_g_gan'},
        4: {'l_code', 'l_feature', 'l_g_pix', 'l_g_percep', 'l_g_gan'},
    }[stage]
    assert {name for name in model.get_current_log() if name.startswith('l_') and '_d_' not in name} == logged
    assert (stage == 4) == (type(model.cri_code).__name__ == 'CodeFocalLoss')
