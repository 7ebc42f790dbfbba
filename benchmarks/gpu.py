"""What a GPU reaches, and how near restoration and training come to it.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --minutes 3 --sections machine,inference,kernels
    python benchmarks/gpu.py --weights net_g_latest.pth --clip input.mp4
    python benchmarks/gpu.py --device cpu --size 64 --minutes 30

Sections run in the order of their importance, each within its share of the time; what does not fit is skipped, and
said so. Results are written after every row, as JSON and as Markdown, into files named after the card; warnings go
to a log beside them. Weights are random and the frames are noise, but for the last section's: neither changes what is
computed.
"""

import argparse
import contextlib
import logging
import time
from pathlib import Path

from on_gpu import STARTED, accuracy, end_to_end, inference, kernels, machine, training, variants
from on_gpu.limits import OutOfTime, TimeLimit
from on_gpu.results import Results
from on_gpu.run import Run

from basicsr.utils import get_root_logger  # isort: skip  the package, imported above, comes before it
from pgtf_basicsr.devices import find_device
from pgtf_basicsr.errors import UserError

# In their order, each with its share of the time.
SECTIONS = {
    'machine': (machine.measure, 10),
    'inference': (inference.measure, 35),
    'kernels': (kernels.measure, 15),
    'end_to_end': (end_to_end.measure, 25),
    'training': (training.measure, 45),
    'accuracy': (accuracy.measure, 5),
    'batches': (inference.measure_batches, 20),
    'variants': (variants.measure, 25),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=8, help='that the run may take (default: %(default)s)')
    parser.add_argument(
        '--sections', default=','.join(SECTIONS), help='to run, separated by commas (default: %(default)s)'
    )
    parser.add_argument(
        '--output', type=Path, default=Path(__file__).parent / 'results', help='folder (default: %(default)s)'
    )
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (default: %(default)s)')
    parser.add_argument('--size', type=int, default=512, help='side of the frames (default: %(default)s)')
    parser.add_argument('--weights', type=Path, help='a .pth or .safetensors file of a trained PGTFormer')
    parser.add_argument('--clip', type=Path, help='a video of one face, cropped to it')
    args = parser.parse_args()
    chosen = args.sections.split(',')
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        parser.error(f'--sections: there is no {", ".join(unknown)}; there are {", ".join(SECTIONS)}')
    if args.size < 64 or args.size % 16:
        parser.error(f'--size must be a multiple of 16 and at least 64, not {args.size}')
    try:
        device = find_device(args.device)
    except UserError as error:
        parser.error(str(error))
    measure(args, device, {name: SECTIONS[name] for name in SECTIONS if name in chosen})


def measure(args, device, sections):
    """Run sections until the time is over."""
    limit = TimeLimit(STARTED + 60 * args.minutes)
    described = machine.describe(device)
    results = Results(args.output, machine.slug(described['card']), described)
    run = Run(device, args.size, args.weights, args.clip, results)
    remaining = list(sections)
    # What libraries have to say would push the tables out of sight.
    with open(args.output / f'{results.name}.log', 'w') as log, contextlib.redirect_stderr(log):
        get_root_logger(log_level=logging.WARNING)
        try:
            with limit.enforced():
                for name, part in limit.shared({name: share for name, (_, share) in sections.items()}):
                    with run.attempt(name):
                        sections[name][0](run, part)
                    remaining.remove(name)
        except OutOfTime:
            for name in remaining:
                results.skip(name, 'what is not above')
    results.finish(time.monotonic() - STARTED)


if __name__ == '__main__':
    main()
