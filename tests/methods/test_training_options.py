"""Option files that train comparison methods: a short run in small, whose weights the method takes."""

import torch

from pgtf_basicsr import config
from pgtf_basicsr.config.checking import find_mistakes
from pgtf_basicsr.methods import build_method

from ..helpers.backbones import seeded_features, torchvision_names
from ..helpers.processes import run
from ..helpers.quickstart import ROOT, changed, write_data, write_options

SMALL = {
    'datasets:train:dataroot_gt': 'datasets/sample/train/GT',
    'datasets:train:dataroot_landmarks': 'datasets/sample/train/landmarks',
    'datasets:train:meta_info_file': None,
    'datasets:train:gt_size': 64,
    'datasets:train:num_worker_per_gpu': 0,
    'datasets:val:dataroot_gt': 'datasets/sample/test/GT',
    'datasets:val:dataroot_landmarks': 'datasets/sample/test/landmarks',
    'datasets:val:meta_info_file': None,
    'datasets:val:gt_size': 64,
    'datasets:val:max_frames': 2,
    'train:total_iter': 2,
    'val:val_freq': 2,
    'logger:print_freq': 1,
    'logger:save_checkpoint_freq': 2,
    'logger:use_tb_logger': False,
}


def test_hifacegan_trains_and_restores(tmp_path):
    write_data(tmp_path)
    torch.save(torchvision_names(seeded_features('vgg19', 3)), tmp_path / 'vgg.pth')
    opt = changed(
        config.load(ROOT / 'options/comparison/hifacegan.yml'),
        {
            **SMALL,
            'network_g:num_feat': 4,
            'network_d:num_feat': 4,
            'train:perceptual_opt:loss:weights': 'vgg.pth',
            'train:perceptual_opt:loss:layers': {'conv1_2': 1.0},
        },
    )
    output = run(tmp_path, 'train', '-opt', write_options(tmp_path, opt))
    assert 'iter:       2' in output and 'l_g_feat' in output and '# psnr:' in output
    weights = tmp_path / 'experiments/HiFaceGAN_VFHQ/models/net_g_2.pth'
    (frame,) = build_method({'type': 'HiFaceGAN', 'weights': str(weights)}).restore([torch.rand(3, 64, 64)])
    assert frame.shape == (3, 64, 64) and frame.isfinite().all()


def test_missing_optical_flow_is_reported_before_a_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mistakes = dict(find_mistakes(config.load('comparison/basicvsrpp.yml'), is_train=True))
    assert 'spynet_sintel_final-3d2a1287.pth does not exist' in mistakes['network_g', 'spynet_path']
