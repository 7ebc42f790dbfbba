"""``basicsr ui``: a page in the browser to restore videos by."""

import importlib.util
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from ..archs.loading import add_network_option
from ..errors import require
from ..restoration.loaded_network import add_arithmetic_options
from ..restoration.whole_video import Restorer
from .server import serve

__all__ = ['add_arguments', 'run']

UNITS = {'MB': 2**20, 'GB': 2**30}


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument('--weights', required=True, help='a .pth or .safetensors file of a PGTFormer')
    add_network_option(parser)
    add_arithmetic_options(parser)
    parser.add_argument(
        '--size', type=int, help="short side at which the network works, in pixels (default: the network's own)"
    )
    parser.add_argument(
        '--port', type=int, default=7860, metavar='N', help='port of 127.0.0.1; 0 is any (default: %(default)s)'
    )
    parser.add_argument(
        '--max-size',
        type=_size,
        default='4GB',
        metavar='SIZE',
        help='size of the largest video that is taken, such as 500MB (default: %(default)s)',
    )


def run(args: Namespace) -> None:
    """Serve the page until the process is told to end."""
    require(importlib.util.find_spec('gradio') is not None, 'the page needs Gradio: pip install "pgtf-basicsr[ui]"')
    restorer = Restorer.from_checkpoint(
        args.weights, args.opt, device=args.device, precision=args.precision, size=args.size
    )
    serve(restorer, args.port, args.max_size, _tell)


def _tell(address: str) -> None:
    sys.stdout.write(f"{address} is open in this computer's browsers; Ctrl-C ends it.\n")
    sys.stdout.flush()


def _size(text: str) -> int:
    match = re.fullmatch(r'(\d+(?:\.\d+)?) ?(MB|GB)', text, re.IGNORECASE)
    if match is None or float(match[1]) == 0:
        raise ArgumentTypeError(f'must be a size such as 500MB or 4GB, not {text}')
    return round(float(match[1]) * UNITS[match[2].upper()])
