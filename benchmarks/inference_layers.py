"""Each kind of layer on a CPU, as it is written down and as inference computes it: time, beside each other.

    python benchmarks/inference_layers.py
    python benchmarks/inference_layers.py --precision bf16

Layers are those of the paper's network at their places: one of each kind, size and number of channels. The plain ones
have channels-last feature maps as well, and the same precision. Both take turns; printed are medians, and in how many
places of the network a layer of this kind is.
"""

import argparse
import copy
import multiprocessing
import os
import statistics
import sys
import time
from functools import partial

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from pgtf_basicsr.archs import PGTFormer, blocks
from pgtf_basicsr.archs.counterpart import replace
from pgtf_basicsr.archs.inference import COUNTERPARTS
from pgtf_basicsr.archs.inference.thread_pool import in_threads
from pgtf_basicsr.archs.memory_format import channels_last

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16}
KINDS = blocks.ResidualBlock, blocks.Upsample, blocks.Downsample, blocks.Swin3DLayer, blocks.PredictorLayer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, default=512, help='side of the frames (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=7, help='calls of each layer (default: %(default)s)')
    parser.add_argument('--precision', choices=list(PRECISIONS), default='fp32', help='(default: %(default)s)')
    args = parser.parse_args()
    if args.size < 32 or args.size % 16:
        parser.error(f'--size must be a multiple of 16 and at least 32, not {args.size}')
    # Chosen when torch is loaded; the command does so, and here plain layers have it as well.
    os.environ['THP_MEM_ALLOC_ENABLE'] = '1'
    processes = multiprocessing.get_context('spawn')
    with processes.Pool(1) as pool:
        places = pool.apply(places_of_layers, (args.size,))
    with processes.Pool(1) as pool:
        pool.apply(report, (places, PRECISIONS[args.precision], args.rounds))


def report(places, dtype, rounds):
    """Write a line for each layer."""
    torch.manual_seed(0)
    net = PGTFormer().eval().requires_grad_(False)
    sys.stdout.write(f'{"layer":<16}{"input":<22}{"places":>6}{"plain, ms":>11}{"fast, ms":>10}{"ratio":>7}\n')
    for (kind, shapes, _), names in places.items():
        layer = net.get_submodule(names[0]).to(dtype)
        inputs = [in_channels_last(torch.rand(shape).to(dtype)) for shape in shapes]
        plain, fast = compare(layer, inputs, rounds)
        size = 'x'.join(str(side) for side in shapes[0])
        sys.stdout.write(
            f'{kind.__name__:<16}{size:<22}{len(names):>6}{plain:>11.1f}{fast:>10.1f}{plain / fast:>7.2f}\n'
        )
        sys.stdout.flush()


def places_of_layers(size):
    """Names of layers in the network, by their kind, the shapes of their inputs and what they are made of.

    For a process of its own: tables that layers keep are not real here.
    """
    net, places = PGTFormer().eval(), {}

    def note(name, layer, inputs):
        key = type(layer), tuple(tuple(x.shape) for x in inputs), repr(layer)
        names = places.setdefault(key, [])
        if name not in names:
            names.append(name)

    for name, layer in net.named_modules():
        if type(layer) in KINDS:
            layer.register_forward_pre_hook(partial(note, name))
    with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
        net(torch.empty(1, 3, 3, size, size))
    return places


def in_channels_last(x):
    """Feature maps channels-last, of clips as well; tokens as they are."""
    if x.ndim == 5:
        return channels_last(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    return channels_last(x) if x.ndim == 4 else x


@torch.inference_mode()
def compare(layer, inputs, rounds):
    """Milliseconds of a layer and of its counterpart."""
    for conv in (module for module in layer.modules() if isinstance(module, nn.Conv2d)):
        conv.weight.data = channels_last(conv.weight.data)
    fast = copy.deepcopy(layer)
    replace(fast, COUNTERPARTS)
    calls = [layer, lambda *x: in_threads(lambda: fast(*x))]
    seconds = [[], []]
    for _ in range(rounds):
        for call, values in zip(calls, seconds):
            # Swin layers of inference overwrite them.
            copies = [[x.clone() for x in inputs] for _ in range(2)]
            # The second of two calls counts: at the first one threads of the other kind are still busy waiting.
            for x in copies:
                start = time.perf_counter()
                call(*x)
                elapsed = time.perf_counter() - start
            values.append(elapsed)
    return [1000 * statistics.median(values) for values in seconds]


if __name__ == '__main__':
    main()
