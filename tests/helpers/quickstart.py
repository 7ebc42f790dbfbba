"""The quickstart's options and data, made smaller still, for tests of models and of whole runs."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from pgtf_basicsr import config
from pgtf_basicsr.samples.sample_data import write_sample_data
from pgtf_basicsr.samples.sample_masks import write_sample_masks

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / 'options' / 'quickstart'
SMALL = dict(image_size=32, codebook_size=32, swin_levels=[8])


def write_data(folder):
    """Write a few short clips where the quickstart's option files look for them, below ``folder``."""
    shutil.copytree(short_clips().name, folder / 'datasets' / 'sample', dirs_exist_ok=True)


@functools.cache
def short_clips():
    """A folder with the clips, made once because that takes a second; it is removed at the end."""
    folder = tempfile.TemporaryDirectory()
    write_sample_data(folder.name, clips=2, test_clips=1, clip_frames=4, size=64, video_size=32)
    return folder


def write_labelled_data(folder):
    """Write a few labelled pictures where the quickstart's face parsing looks for them, below ``folder``."""
    write_sample_masks(folder / 'datasets' / 'sample_parsing', images=6, test_images=2, image_size=64)


def stage_options(stage, **changes):
    """Options of a quickstart stage for 32x32 frames and two iterations; changes as 'section:key'."""
    opt = config.load(QUICKSTART / f'stage{stage}.yml')
    for name in ('network_g', 'network_vqgan'):
        if name in opt:
            opt[name].update(SMALL, **({'tfr_levels': [16, 8]} if opt[name]['type'] == 'PGTFormer' else {}))
    for dataset in opt['datasets'].values():
        dataset.update(gt_size=32, windows_per_clip=4)
    opt['val']['metrics']['ssim']['crop_border'] = 0
    opt['train'].update(total_iter=2, warmup_iter=-1)
    opt['train']['scheduler']['periods'] = [2]
    if 'net_d_start_iter' in opt['train']:
        opt['train']['net_d_start_iter'] = 1
    opt['logger'].update(print_freq=1, save_checkpoint_freq=2)
    return changed(opt, changes)


def parsing_options(**changes):
    """Options of the quickstart's face parsing for 32x32 pictures and two iterations; changes as 'section:key'."""
    opt = config.load(QUICKSTART / 'parsing.yml')
    for dataset in opt['datasets'].values():
        dataset['size'] = 32
    opt['datasets']['train']['batch_size_per_gpu'] = 2
    opt['train'].update(total_iter=2, warmup_iter=-1)
    opt['train']['scheduler']['periods'] = [2]
    opt['logger'].update(print_freq=1, save_checkpoint_freq=2)
    return changed(opt, changes)


def changed(opt, changes):
    """Options with some of them, 'section:key', set to other values."""
    for key, value in changes.items():
        section, _, name = key.rpartition(':')
        target = opt
        for part in filter(None, section.split(':')):
            target = target[part]
        target[name] = value
    return opt


def write_options(folder, opt, name='options.yml'):
    """Write options below ``folder`` and return the path."""
    path = Path(folder) / name
    path.write_text(yaml.safe_dump(opt, sort_keys=False))
    return path


def environment():
    """Environment of a program that runs the checkout in any folder, in one thread."""
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(paths)}


def one_step(batch_size):
    """Changes of a stage's options: no adversarial loss, and weights move by the gradients of one iteration."""
    return {
        'train:total_iter': 1,
        'train:optim_g': {'type': 'SGD', 'lr': 1.0},
        'train:gan_opt': None,
        'train:scheduler': {'type': 'MultiStepLR', 'milestones': []},
        'train:ema_decay': 0,
        'logger:save_checkpoint_freq': 1,
        'datasets:train:batch_size_per_gpu': batch_size,
    }


def basicsr(folder, *arguments, launch=('-m', 'pgtf_basicsr'), status=0):
    """Run ``python -m pgtf_basicsr ARGUMENTS`` in ``folder`` and return its output; the exit status must be as told."""
    done = subprocess.run(
        [sys.executable, *launch, *map(str, arguments)],
        cwd=folder,
        env=environment(),
        text=True,
        capture_output=True,
        timeout=500,
    )
    assert done.returncode == status, f'exit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}'
    return done.stdout + done.stderr
