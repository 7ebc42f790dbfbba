"""One training step of a stage of the paper's network: time and peak memory.

    python benchmarks/full_size_step.py stage1 --vgg16 weights/vgg16-397923af.pth
    python benchmarks/full_size_step.py stage3 --checkpointing

Weights are random and the frames are noise: neither changes what is computed. Everything else is the stage's option
file. Without ``--vgg16`` the perceptual loss is skipped.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from pgtf_basicsr import config  # before basicsr, which does not import on its own
from pgtf_basicsr.archs import TSVQGAN
from pgtf_basicsr.checkpoints import write_checkpoint

from basicsr.models import build_model  # isort: skip

OPTIONS = Path(__file__).parents[1] / 'options'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('case', choices=['stage1', 'stage2', 'stage3', 'stage4'])
    parser.add_argument('--vgg16', help="torchvision's VGG-16, for the perceptual loss")
    parser.add_argument('--precision', default='fp32', choices=['fp32', 'bf16'])
    parser.add_argument('--size', type=int, default=512, help='side of the frames (default: %(default)s)')
    parser.add_argument('--checkpointing', action='store_true', help='compute activations twice')
    args = parser.parse_args()
    torch.manual_seed(0)
    clip = torch.rand(1, 3, 3, args.size, args.size)
    model = make_model(args.case, args.precision, args.checkpointing, args.vgg16)
    model.feed_data({'lq': clip, 'gt': clip})
    seconds = timed(lambda: model.optimize_parameters(30001))
    sys.stdout.write(', '.join(f'{name} {value:.3f}' for name, value in model.get_current_log().items()) + '\n')
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f'{args.case}, {args.precision}, {torch.get_num_threads()} threads: {seconds:.1f} s, '
        f'peak memory {peak:.1f} GiB\n'
    )


def make_model(case, precision, checkpointing, vgg16, num_gpu=0):
    """Model of the stage's option file, with random weights where the file names some.

    Args:
        case (str): The stage, such as stage3.
        precision (str): fp32 or bf16.
        checkpointing (bool): Whether to compute activations twice.
        vgg16 (str | Path | None): torchvision's VGG-16, for the perceptual loss.
        num_gpu (int): 0 for the CPU, 1 for the GPU. Default: 0.
    """
    opt = config.load(OPTIONS / f'{case}.yml')
    opt.update(dist=False, rank=0, world_size=1, is_train=True, num_gpu=num_gpu)
    opt['train'].update(precision=precision, activation_checkpointing=checkpointing)
    if 'perceptual_opt' in opt['train']:
        opt['train']['perceptual_opt']['weights'] = vgg16
    opt['path'] = {}
    with tempfile.TemporaryDirectory() as folder:
        if case != 'stage1':
            opt['path']['pretrain_network_vqgan'] = f'{folder}/vqgan.pth'
            write_checkpoint(f'{folder}/vqgan.pth', {'params': TSVQGAN().state_dict()})
        return build_model(opt)


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == '__main__':
    main()
