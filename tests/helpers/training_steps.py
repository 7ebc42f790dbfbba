"""One model in this process, with fresh weights and made-up clips, for tests of single iterations."""

import torch
from basicsr.models import build_model
from basicsr.utils.registry import ARCH_REGISTRY

import pgtf_basicsr  # noqa: F401
from pgtf_basicsr.checkpoints import write_checkpoint

from .quickstart import parsing_options, stage_options


def write_weights(folder):
    """Write weights of each stage's networks, freshly initialised, below ``folder``."""
    torch.manual_seed(1)
    opt = stage_options(3)
    for name in ('network_g', 'network_vqgan', 'network_d'):
        write_checkpoint(folder / f'{name}.pth', {'params': network(opt[name]).state_dict()})
    parsing = network(opt['network_g']).parsing_net.state_dict()
    torch.save(parsing, folder / 'parsing.pth')


def make(stage, weights, num_gpu=0, **changes):
    """Model of a stage, ready to train on the CPU or on a GPU."""
    opt = stage_options(stage, **changes)
    for name in ('network_g', 'network_vqgan', 'network_d'):
        if opt['path'].get(f'pretrain_{name}'):
            opt['path'][f'pretrain_{name}'] = str(weights / f'{name}.pth')
    return build(opt, num_gpu)


def make_parsing(num_gpu=0, is_train=True, **changes):
    """Model of face parsing, ready to train or to test on the CPU or on a GPU."""
    return build(parsing_options(**changes), num_gpu, is_train)


def build(opt, num_gpu=0, is_train=True):
    """Model of a run of one process."""
    torch.manual_seed(0)
    opt.update(dist=False, rank=0, world_size=1, is_train=is_train, num_gpu=num_gpu)
    return build_model(opt)


def batch(size=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    gt = torch.rand(size, 3, 3, 32, 32, generator=generator)
    return {'gt': gt, 'lq': (gt + 0.1 * torch.randn(gt.shape, generator=generator)).clamp(0, 1)}


def labelled_batch(size=2, seed=0, side=32):
    generator = torch.Generator().manual_seed(seed)
    return {
        'image': torch.rand(size, 3, side, side, generator=generator),
        'mask': torch.randint(19, (size, side, side), generator=generator),
        'key': [str(i) for i in range(size)],
    }


def network(options):
    options = dict(options)
    return ARCH_REGISTRY.get(options.pop('type'))(**options)
