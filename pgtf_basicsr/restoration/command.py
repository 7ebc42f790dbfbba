"""``basicsr restore``: from a bad video to a good one."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

from ..archs.loading import add_network_option
from ..devices import memory_advice
from ..errors import require
from ..faces.detection import DETECTORS
from ..video.deinterlacing import DEINTERLACE
from ..video.encoding import CODECS, SUFFIXES
from .faces.listing import face_table, list_faces
from .folders import restore_folder
from .io.sources import PIPE, holds_frames
from .loaded_network import add_arithmetic_options
from .reports import JsonReport, TextReport
from .settings import BACKGROUNDS, MASKS, SCALES, Settings
from .whole_video import Restorer

__all__ = ['add_arguments', 'parse_time', 'run']

DEFAULT_CODECS = 'h264; hevc for more than 8 bits; in .webm vp9 or av1'
# Of a frame rate: times of MPEG's codecs are counted in up to so many parts of a second.
MOST_TICKS = 2**20
TIME = re.compile(r'(\d+:){0,2}\d+(\.\d+)?', re.ASCII)


def add_arguments(parser: ArgumentParser) -> None:
    """Add what `run` needs to an argparse parser."""
    parser.add_argument(
        'input', help='a video; a folder of its frames, or of videos; or -, which reads a video from standard input'
    )
    parser.add_argument(
        '-o',
        '--output',
        required=True,
        help=f'the video to write ({", ".join(SUFFIXES)}); a folder, for its frames, or for the videos of a folder; or '
        '-, which writes the video to standard output as YUV4MPEG2',
    )
    parser.add_argument(
        '--weights',
        help='a .pth or .safetensors file of a PGTFormer, or OWNER/NAME or OWNER/NAME/FILE on the Hugging Face Hub; '
        'needed for all but --list-faces',
    )
    add_network_option(parser)
    parser.add_argument(
        '--fidelity',
        type=float,
        default=Settings.fidelity,
        help='0 draws on the codebook alone (highest quality), 1 stays closest to the input (default: %(default)s)',
    )
    parser.add_argument(
        '--stride',
        type=int,
        default=Settings.stride,
        metavar='N',
        help="frames from one window to the next: 1 gives the highest quality, the network's number of frames (3) is "
        'fastest (default: %(default)s)',
    )
    parser.add_argument(
        '--batch',
        dest='batch_size',
        type=_batch_size,
        default=Settings.batch_size,
        metavar='N',
        help='windows in one pass; costs memory, not quality (default: as many as fit into free '
        'memory of a GPU; 1 on a CPU, where more are no faster)',
    )
    add_arithmetic_options(parser)
    parser.add_argument(
        '--size',
        type=int,
        help='pixels of the crop of a face in the network, or of the short side of frames that are restored as a whole '
        "(default: the network's own)",
    )
    parser.add_argument('--codec', choices=list(CODECS), help=f'(default: {DEFAULT_CODECS})')
    quality = parser.add_mutually_exclusive_group()
    quality.add_argument(
        '--crf', type=int, metavar='N', help=f'quality of the output, from 0, the best (default: {_default_crf()})'
    )
    quality.add_argument('--lossless', action='store_true', help='write exactly what was restored')
    parser.add_argument(
        '--deinterlace',
        choices=DEINTERLACE,
        default=Settings.deinterlace,
        help='auto deinterlaces what is stated to be interlaced (default: %(default)s)',
    )
    parser.add_argument('--start', type=parse_time, metavar='TIME', help='restore from here on: 12.5 or 1:02:03.5')
    parser.add_argument('--end', type=parse_time, metavar='TIME', help='restore up to here')
    parser.add_argument(
        '--rate',
        type=_rate,
        metavar='N',
        help='frames per second of a folder of images, such as 30000/1001 (default: 25)',
    )
    _add_faces(parser)
    parser.add_argument(
        '--scale',
        type=int,
        choices=SCALES,
        default=Settings.scale,
        help='width and height of the output in those of the input (default: %(default)s)',
    )
    parser.add_argument(
        '--preview',
        type=parse_time,
        metavar='SECONDS',
        help='restore so many seconds, from --start or from the first face on, and write an image before and after',
    )
    parser.add_argument(
        '--side-by-side', action='store_true', help='show the input to the left of what was restored, in one video'
    )
    parser.add_argument(
        '--resume',
        action='store_true',
        help='continue what an earlier run has begun and not finished, with the same result',
    )
    parser.add_argument(
        '--json', action='store_true', help='report to other programs: lines of JSON on standard output'
    )


def run(args: Namespace) -> None:
    """Restore a video, or those of a folder, as the parsed arguments say."""
    names = [field.name for field in fields(Settings)]
    settings = Settings(**{name: getattr(args, name) for name in names})
    require(not (args.json and args.output == PIPE), '--json and -o - would both write to standard output')
    report = JsonReport() if args.json else TextReport()
    source = Path(args.input)
    is_folder = args.input != PIPE and source.is_dir() and not holds_frames(source)
    if args.list_faces:
        require(not is_folder, '--list-faces takes one video, not a folder of them')
        _list_faces(args, settings, report)
        return
    require(args.weights is not None, '--weights is missing: restoring needs the weights of a PGTFormer')
    restorer = Restorer(args.weights, args.opt, settings)
    with memory_advice('a lower --batch, a smaller --size, or --precision bf16 or fp16'):
        if is_folder:
            require(args.output != PIPE, '-o - takes one video, not a folder of them')
            restore_folder(restorer, source, Path(args.output), args.resume, report)
        else:
            restorer.restore_video(args.input, args.output, args.resume, report)


def _add_faces(parser: ArgumentParser) -> None:
    faces = parser.add_argument_group('faces')
    faces.add_argument(
        '--faces',
        default=Settings.faces,
        metavar='WHICH',
        help='all; largest; numbers such as 1,3, see --list-faces; crop, which restores frames as a whole, of a video '
        'that is cropped to one face; or auto: crop for what is so cropped, all for the rest (default: %(default)s)',
    )
    faces.add_argument(
        '--list-faces',
        action='store_true',
        help='find the faces, show them as a table and in an image beside the output, and end',
    )
    faces.add_argument(
        '--analysis',
        metavar='FILE',
        help='the faces that were found, to be read or written; may be edited (default: OUTPUT.faces.json)',
    )
    faces.add_argument(
        '--detect-every',
        type=int,
        default=Settings.detect_every,
        metavar='N',
        help='detect faces in every so-manieth frame (default: %(default)s)',
    )
    faces.add_argument('--detector', choices=DETECTORS, default=Settings.detector, help='(default: %(default)s)')
    faces.add_argument('--detector-weights', metavar='FILE', help='of RetinaFace')
    faces.add_argument(
        '--min-face',
        type=float,
        default=Settings.min_face,
        metavar='PIXELS',
        help='leave faces alone that are less wide (default: %(default)g)',
    )
    faces.add_argument(
        '--min-blur',
        type=float,
        default=Settings.min_blur,
        metavar='BLUR',
        help='leave faces alone that are sharp: a sharp one of 200 pixels has 0.4, one out of focus 0.7 '
        '(default: %(default)g, which restores all)',
    )
    faces.add_argument(
        '--mask',
        choices=MASKS,
        default=Settings.mask,
        help='what of a crop is pasted: auto is parsing where the weights have face parsing (default: %(default)s)',
    )
    faces.add_argument(
        '--strength',
        type=float,
        default=Settings.strength,
        help='how much of the change of a face is pasted, from 0 to 1 (default: %(default)g)',
    )
    faces.add_argument(
        '--match-colour',
        type=_on_or_off,
        default=Settings.match_colour,
        metavar='on|off',
        help='give faces the colours of their surroundings (default: on)',
    )
    faces.add_argument(
        '--background',
        choices=BACKGROUNDS,
        default=Settings.background,
        help='what faces are pasted into: the frame, or the frame as Real-ESRGAN restores it (default: %(default)s)',
    )
    faces.add_argument(
        '--background-weights', metavar='FILE', help='of Real-ESRGAN, or of another network that spandrel knows'
    )


def _list_faces(args: Namespace, settings: Settings, report: JsonReport | TextReport) -> None:
    faces = list_faces(args.input, args.output, settings, report)
    if isinstance(report, JsonReport):
        report.list_faces(args.input, faces)
    elif faces:
        sys.stdout.write(f'{face_table(faces)}\n')
    else:
        sys.stdout.write(f'no face was found in {args.input}\n')


def parse_time(text: str) -> Fraction:
    """Convert a time such as 12.5, 2:03 or 1:02:03.5 to seconds."""
    if not TIME.fullmatch(text):
        raise ArgumentTypeError(f'must be seconds or hours:minutes:seconds, such as 12.5 or 1:02:03.5, not {text}')
    seconds = Fraction(0)
    for part in text.split(':'):
        seconds = 60 * seconds + Fraction(part)
    return seconds


def _default_crf() -> str:
    return ', '.join(f'{codec.crf} for {name}' for name, codec in CODECS.items() if codec.crf is not None)


def _on_or_off(text: str) -> bool:
    if text not in ('on', 'off'):
        raise ArgumentTypeError(f'must be on or off, not {text}')
    return text == 'on'


def _rate(text: str) -> Fraction:
    try:
        # 29.97002997002997 is meant to be 30000/1001, which files can hold.
        return Fraction(text).limit_denominator(MOST_TICKS)
    except (ValueError, ZeroDivisionError) as error:
        raise ArgumentTypeError(f'must be a number such as 25 or 30000/1001, not {text}') from error


def _batch_size(text: str) -> int | str:
    try:
        return text if text == 'auto' else int(text)
    except ValueError as error:
        raise ArgumentTypeError(f'must be a positive integer or auto, not {text}') from error
