"""Projects that know BasicSR alone: importing this package changes none of their bits."""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
import yaml

from ..helpers.quickstart import ROOT, basicsr, stage_options, write_data, write_options

ALIAS = """
import sys, types
import torchvision.transforms.functional as functional
module = types.ModuleType('torchvision.transforms.functional_tensor')
module.rgb_to_grayscale = functional.rgb_to_grayscale
sys.modules[module.__name__] = module
"""

TRAIN = """
import torch
from torch import nn
from basicsr.train import train_pipeline
from basicsr.utils.registry import ARCH_REGISTRY
{import_after}

@ARCH_REGISTRY.register()
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        layers = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)
        self.body = nn.Sequential(*layers)
    def forward(self, x):
        return x + self.body(x)

if __name__ == '__main__':
    train_pipeline('.')
"""

PROGRAMS = {
    'stock': ALIAS + TRAIN.format(import_after=''),
    'import_before': 'import pgtf_basicsr\n' + TRAIN.format(import_after=''),
    'import_after': ALIAS + TRAIN.format(import_after='import pgtf_basicsr'),
}

OPTIONS = """
model_type: SRModel
scale: 1
num_gpu: 0
manual_seed: 3
datasets:
  train:
    name: images
    type: PairedImageDataset
    dataroot_gt: gt
    dataroot_lq: lq
    io_backend: {type: disk}
    gt_size: 16
    use_hflip: true
    use_rot: true
    batch_size_per_gpu: 2
    num_worker_per_gpu: 1
    dataset_enlarge_ratio: 5
  val: {name: images, type: PairedImageDataset, dataroot_gt: gt, dataroot_lq: lq, io_backend: {type: disk}}
network_g: {type: Small}
path: {}
train:
  total_iter: 14
  warmup_iter: 4
  ema_decay: 0.9
  optim_g: {type: Adam, lr: !!float 1e-3, betas: !!python/tuple [0.9, 0.99]}
  scheduler: {type: MultiStepLR, milestones: [8, 11], gamma: 0.5}
  pixel_opt: {type: L1Loss, loss_weight: 1.0}
val: {val_freq: 7, save_img: false, metrics: {psnr: {type: calculate_psnr, crop_border: 0}}}
logger: {print_freq: 1, save_checkpoint_freq: 7, use_tb_logger: false}
"""


def start(folder, program, *arguments):
    """Start a program in a folder."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    (folder / 'train.py').write_text(program)
    return subprocess.Popen(
        [sys.executable, 'train.py', *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """{program: folder of its training of SRModel}"""
    folders, processes = {}, {}
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (2, 20, 24, 3), dtype=np.uint8) for _ in range(3)]
    for name, program in PROGRAMS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        for kind in (0, 1):
            (folders[name] / ('gt', 'lq')[kind]).mkdir()
            for number, pair in enumerate(images):
                cv2.imwrite(str(folders[name] / ('gt', 'lq')[kind] / f'{number}.png'), pair[kind])
        (folders[name] / 'x.yml').write_text(f'name: x\n{OPTIONS}')
        processes[name] = start(folders[name], program, '-opt', 'x.yml')
    for process in processes.values():
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output[-3000:]
    return folders


def logged(folder):
    """Learning rates, losses and scores as they were logged."""
    (log,) = (folder / 'experiments/x').glob('train_x_*.log')
    return re.findall(r'iter: +\d+, lr:\(.*?\)|l_pix: \S+|# psnr: .*', log.read_text())


@pytest.mark.parametrize('program', ['import_before', 'import_after'])
def test_foreign_training_has_the_same_bits_with_the_import(runs, program):
    """With warm-up, MultiStepLR, an enlarged dataset, random crops by a worker, and averaged weights."""
    stock = logged(runs['stock'])
    assert len(stock) == 14 + 14 + 3
    # The stock host's rate after the warm-up: it is not mended behind the project's back.
    assert 'lr:(7.500e-04,)' in stock[8] and 'iter:       5' in stock[8]
    assert logged(runs[program]) == stock
    for file in ('models/net_g_7.pth', 'models/net_g_latest.pth', 'training_states/14.state'):
        expected, found = (
            torch.load(runs[name] / 'experiments/x' / file, weights_only=False) for name in ('stock', program)
        )
        assert_equal(found, expected)


def assert_equal(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_equal(*pair)
    else:
        assert found == expected


YAML = """
import pgtf_basicsr, yaml
from collections import OrderedDict
from basicsr.utils import options
loader, dumper = options.ordered_yaml()
read = yaml.load('{a: !!python/tuple [1, 2], b: 1e-4, a: 3}', loader)
written = yaml.dump(OrderedDict(x=1), Dumper=dumper).strip()
print(options.ordered_yaml.__module__, type(read).__name__, dict(read), written, loader, dumper)
"""


def test_yaml_of_a_foreign_project_is_basicsrs(tmp_path):
    """Tuples, keys that repeat, OrderedDict, and the number that is text."""
    loader, dumper = yaml.CLoader, yaml.CDumper
    expected = f"basicsr.utils.options OrderedDict {{'a': 3, 'b': '1e-4'}} x: 1 {loader} {dumper}\n"
    assert basicsr(tmp_path, launch=('-c', YAML)) == expected


OWN_MODEL = """
import pgtf_basicsr
from basicsr.train import train_pipeline
if __name__ == '__main__':
    train_pipeline('.')
"""


def test_models_of_this_package_train_and_resume_in_basicsrs_own_pipeline(tmp_path):
    """A foreign train.py: warm-up ends at the rate of the options, and a cosine outlasts its period."""
    write_data(tmp_path)
    opt = stage_options(
        1,
        **{
            'train:total_iter': 4,
            'train:warmup_iter': 2,
            'train:scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [3], 'eta_min': 1e-5},
            # BasicSR reads YAML 1.1, in which 1e-3 is text.
            'train:optim_g': {'type': 'AdamW', 'lr': 0.001},
            'num_gpu': 0,
        },
    )
    path = write_options(tmp_path, opt)
    process = start(tmp_path, OWN_MODEL, '-opt', str(path))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    rates = [float(rate) for rate in re.findall(r'lr:\(([^,]+),', output)]
    assert rates[0] == pytest.approx(5e-4) and rates[3] == pytest.approx(1e-5) and len(rates) == 4
    experiment = tmp_path / 'experiments/quickstart_stage1'
    assert (experiment / 'models/net_g_latest.pth').exists() and '# psnr' in output
    (experiment / 'training_states/4.state').unlink()
    process = start(tmp_path, OWN_MODEL, '-opt', str(path), '--auto_resume')
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    assert 'Resuming training from epoch: 0, iter: 2.' in output and 'iter:       4' in output
