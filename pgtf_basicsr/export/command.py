"""``basicsr export``: weights for other programs."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from ..archs.loading import add_network_option
from .exporting import NAMES, export

__all__ = ['add_arguments', 'run']


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument('weights', metavar='FILE', help='a .pth or .safetensors file of weights')
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        help='the file to write: .safetensors or .pth for weights, .pt2 (torch.export) or .onnx for the network itself',
    )
    parser.add_argument(
        '--params',
        metavar='KEY',
        help='weights of the file to take: params_ema or params (default: params_ema where it has them)',
    )
    add_network_option(parser)
    parser.add_argument(
        '--names',
        choices=NAMES,
        help='names of the tensors in .safetensors and .pth: published is what the published code loads '
        f'(default: {NAMES[0]})',
    )
    parser.add_argument(
        '--size',
        type=_size,
        metavar='N|WxH',
        help="width and height of the frames in .pt2 and .onnx, which are fixed (default: the network's own)",
    )
    parser.add_argument(
        '--fidelity',
        type=float,
        help='fixed in .pt2 and .onnx: 0 draws on the codebook alone (highest quality), '
        '1 stays closest to the input (default: 1)',
    )


def run(args: Namespace) -> None:
    """Export a network as the parsed arguments say."""
    report = export(
        args.weights,
        args.output,
        option_file=args.opt,
        param_key=args.params,
        names=args.names,
        size=args.size,
        fidelity=args.fidelity,
    )
    sys.stdout.write(f'{report}\n')


def _size(text: str) -> tuple[int, int]:
    sides = re.fullmatch(r'([1-9]\d*)(?:x([1-9]\d*))?', text)
    if sides is None:
        raise ArgumentTypeError(f'must be a number of pixels, or WIDTHxHEIGHT, not {text}')
    return int(sides[1]), int(sides[2] or sides[1])
