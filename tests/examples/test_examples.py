"""The examples do what their READMEs say, in folders of their own, with BasicSR's own loop."""

import re
import shutil

import pytest
import torch

from ..helpers.backbones import seeded_features, torchvision_names
from ..helpers.programs import run_program
from ..helpers.quickstart import ROOT

# What a try of a few iterations changes of the option files.
FEW_ITERATIONS = ('train:total_iter=2', 'logger:print_freq=1', 'logger:save_checkpoint_freq=2')


@pytest.fixture
def project(tmp_path):
    """A function that copies an example out of the checkout and returns its folder."""
    return lambda name: shutil.copytree(ROOT / 'examples' / name, tmp_path / name)


def try_out(folder, *changes):
    """Run the programs that the README says, training for a few iterations; returns losses and scores of the log."""
    for program, arguments in re.findall(r'^    python (\S+)([^#\n]*)', (folder / 'README.md').read_text(), re.M):
        few = ('--force_yml', *FEW_ITERATIONS, *changes) if program == 'train.py' else ()
        run_program(folder, program, *arguments.split(), *few)
    (experiment,) = (folder / 'experiments').iterdir()
    (log,) = experiment.glob('train_*.log')
    assert set(torch.load(experiment / 'models' / 'net_g_2.pth', weights_only=True)) >= {'params', 'params_ema'}
    assert (experiment / 'training_states' / '2.state').exists()
    losses = [
        {name: float(value) for name, value in re.findall(r'(\w+): (\S+)', line.rpartition(')]')[2])}
        for line in log.read_text().splitlines()
        if 'iter:' in line and 'eta:' in line
    ]
    scores = {name: float(value) for name, value in re.findall(r'# (\w+): (\S+)', log.read_text())}
    assert len(losses) == 2
    return losses, scores


def test_msrl_and_lpips_in_basicvsr(project):
    """The stand-in for AlexNet has random weights."""
    folder = project('msrl_in_basicvsr')
    (folder / 'weights').mkdir()
    torch.save(torchvision_names(seeded_features('alexnet')), folder / 'weights' / 'alexnet-owt-7be5be79.pth')
    losses, scores = try_out(folder)
    for line in losses:
        assert set(line) == {'l_pix', 'l_msrl', 'l_lpips'}
        assert all(value > 0 for value in line.values())
    assert scores['psnr'] > 20 and 0 < scores['lpips'] < 1


def test_vfhq_dataset_in_edvr(project, sample_root):
    folder = project('vfhq_in_edvr')
    (folder / 'datasets').mkdir()
    (folder / 'datasets' / 'sample').symlink_to(sample_root)
    losses, scores = try_out(folder)
    assert all(set(line) == {'l_pix'} and line['l_pix'] > 0 for line in losses)
    assert scores['psnr'] > 15


def test_ts_vqgan_on_other_videos(project):
    """And the README's way to use what was trained."""
    folder = project('ts_vqgan_on_your_videos')
    losses, scores = try_out(folder, 'train:net_d_start_iter=2')
    assert {'l_g_pix', 'l_commit'} <= set(losses[0]) and 'l_d_real' in losses[1]
    assert scores['psnr'] > 5 and scores['msrl'] > 5
    (code,) = re.findall(r'```python\n(.*?)```', (folder / 'README.md').read_text(), re.S)
    (folder / 'use.py').write_text(
        f'import torch\nframes = torch.rand(2, 3, 3, 48, 48)\n{code}assert codes.shape == (2, 3, 12, 12)\n'
    )
    run_program(folder, 'use.py')
