"""``basicsr restore``: from a bad video of a face to a good one."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace

from ..archs.loading import add_network_option
from ..devices import PRECISIONS, memory_advice
from .whole_video import restore_video

__all__ = ['add_arguments', 'run']


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument('input', help='a video of one face, cropped to it')
    parser.add_argument('-o', '--output', required=True, help='the video to write: .mp4, .m4v, .mov or .mkv')
    parser.add_argument('--weights', required=True, help='a .pth or .safetensors file of a PGTFormer')
    add_network_option(parser)
    parser.add_argument(
        '--fidelity',
        type=float,
        default=1.0,
        help='0 draws on the codebook alone (highest quality), 1 stays closest to the input (default: %(default)s)',
    )
    parser.add_argument(
        '--stride',
        type=int,
        default=1,
        metavar='N',
        help="frames from one window to the next: 1 gives the highest quality, the network's number of frames (3) is "
        'fastest (default: %(default)s)',
    )
    parser.add_argument(
        '--batch',
        type=_batch_size,
        default='auto',
        metavar='N',
        help='windows in one pass; costs memory, not quality (default: as many as fit into free '
        'memory of a GPU; 1 on a CPU, where more are no faster)',
    )
    parser.add_argument(
        '--precision',
        choices=list(PRECISIONS),
        default='fp32',
        help='number format: bf16 and fp16 are faster where the hardware supports them (default: %(default)s)',
    )
    parser.add_argument(
        '--size', type=int, help="short side at which the network works, in pixels (default: the network's own)"
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (default: %(default)s)')
    parser.add_argument(
        '--crf', type=int, default=18, help='H.264 quality of the output, 0 (best) to 51 (default: %(default)s)'
    )


def run(args: Namespace) -> None:
    """Restore a video as the parsed arguments say."""
    with memory_advice('a lower --batch, a smaller --size, or --precision bf16 or fp16'):
        restore_video(
            args.input,
            args.output,
            args.weights,
            option_file=args.opt,
            fidelity=args.fidelity,
            batch_size=args.batch,
            size=args.size,
            device=args.device,
            crf=args.crf,
            stride=args.stride,
            precision=args.precision,
        )


def _batch_size(text: str) -> int | str:
    try:
        return text if text == 'auto' else int(text)
    except ValueError as error:
        raise ArgumentTypeError(f'must be a positive integer or auto, not {text}') from error
