"""How much exported networks differ from the original: the largest difference of each format, on the CPU.

    python benchmarks/export_differences.py --size 512              # the paper's network
    python benchmarks/export_differences.py --weights net_g_latest.pth

Without weights the network is a new one with drawn weights, and its regulators are drawn too, so that all of it counts.
The clip is the seeded one that `basicsr export` compares on, of another seed.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.loading import load_network
from pgtf_basicsr.checkpoints import read_checkpoint, write_checkpoint
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.export.comparison import seeded_batch
from pgtf_basicsr.export.exporting import GRAPH_FORMATS, export

FILES = ('net.safetensors', 'own.pth', 'published.pth', 'net.pt2', 'net.onnx')
SEED = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', help='a .pth file of a PGTFormer (default: a new network)')
    parser.add_argument('--size', type=int, default=512, help='side of the frames (default: %(default)s)')
    parser.add_argument('--formats', nargs='+', choices=FILES, default=FILES, help='what to export (default: all)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            compare(Path(folder), args)
        except UserError as error:
            parser.error(str(error))


def compare(folder, args):
    weights = args.weights or write_new(folder / 'weights.pth')
    checkpoint = read_checkpoint(weights)
    net = load_network(checkpoint, checkpoint.network, weights)
    clip = seeded_batch((net.num_frames, 3, args.size, args.size), 1, SEED)
    with torch.no_grad():
        start = time.perf_counter()
        expected = net(clip)
        sys.stdout.write(f'original: {time.perf_counter() - start:.1f} s for a clip of {args.size}×{args.size}\n')
    for name in args.formats:
        output, traced = folder / name, GRAPH_FORMATS.get(Path(name).suffix)
        start = time.perf_counter()
        size = (args.size, args.size) if traced else None
        export(weights, output, size=size, names='published' if name.startswith('published') else None)
        taken = time.perf_counter() - start
        if traced:
            run = traced.run(output)
        else:
            loaded = load_network(read_checkpoint(output), checkpoint.network, name)
            run = lambda clip, net=loaded: [net(clip)]  # noqa: E731
        with torch.no_grad():
            difference = (run(clip)[0] - expected).abs().max().item()
        sys.stdout.write(
            f'{name}: largest difference {difference:.2g} of values up to {expected.abs().max():.2g}, '
            f'{output.stat().st_size / 1e6:,.0f} MB, exported and compared in {taken:.0f} s\n'
        )
        sys.stdout.flush()
        output.unlink()


def write_new(path):
    """Write a checkpoint of the paper's network with drawn weights."""
    torch.manual_seed(0)
    net = PGTFormer()
    for name, parameter in net.named_parameters():
        if (name.startswith('regulators.') and '.shift.' in name) or '.scale.' in name:
            torch.nn.init.normal_(parameter, std=0.01)
    write_checkpoint(path, {'params': net.state_dict(), 'network': {'type': 'PGTFormer'}})
    return path


if __name__ == '__main__':
    main()
