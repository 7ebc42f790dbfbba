"""One model in this process, with fresh weights and made-up clips, for tests of single iterations."""

import torch
from basicsr.models import build_model
from basicsr.utils.registry import ARCH_REGISTRY

import pgtf_basicsr  # noqa: F401
from pgtf_basicsr.checkpoints import write_checkpoint

from .quickstart import stage_options


def write_weights(folder):
    """Write weights of each stage's networks, freshly initialised, below ``folder``."""
    torch.manual_seed(1)
    opt = stage_options(3)
    for name in ('network_g', 'network_vqgan', 'network_d'):
        write_checkpoint(folder / f'{name}.pth', {'params': network(opt[name]).state_dict()})
    parsing = network(opt['network_g']).parsing_net.state_dict()
    torch.save(parsing, folder / 'parsing.pth')


def make(stage, weights, **changes):
    """Model of a stage, ready to train on the CPU."""
    torch.manual_seed(0)
    opt = stage_options(stage, **changes)
    opt.update(dist=False, rank=0, world_size=1, is_train=True, num_gpu=0)
    for name in ('network_g', 'network_vqgan', 'network_d'):
        if opt['path'].get(f'pretrain_{name}'):
            opt['path'][f'pretrain_{name}'] = str(weights / f'{name}.pth')
    return build_model(opt)


def batch(size=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    gt = torch.rand(size, 3, 3, 32, 32, generator=generator)
    return {'gt': gt, 'lq': (gt + 0.1 * torch.randn(gt.shape, generator=generator)).clamp(0, 1)}


def network(options):
    options = dict(options)
    return ARCH_REGISTRY.get(options.pop('type'))(**options)
