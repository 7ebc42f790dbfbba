"""Cost of the guards of training: iterations of the quickstart with and without them.

    python benchmarks/training_guards.py --rounds 60

Guards are what an iteration does for the sake of safety alone: it copies the buffers that forward passes change, looks
whether losses and gradients are finite, and whether it has been asked to stop. Iterations with and without take turns
in one process. The share is the time spent in the guards themselves, the ratio compares medians of whole iterations,
in which noise is larger than the guards. The last column is the time that writing a checkpoint takes, in iterations.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from pgtf_basicsr import config  # before basicsr, which does not import on its own
from pgtf_basicsr.checkpoints import write_checkpoint

from basicsr.archs import build_network  # isort: skip
from basicsr.models import build_model  # isort: skip

QUICKSTART = Path(__file__).parents[1] / 'options' / 'quickstart'
UNBROKEN = torch.zeros(2, dtype=torch.uint8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=40, help='pairs of iterations a stage (default: %(default)s)')
    args = parser.parse_args()
    sys.stdout.write('stage  iteration, ms  guards, ms   share   ratio   checkpoint, iterations\n')
    for stage in (1, 2, 3, 4):
        with tempfile.TemporaryDirectory() as folder:
            measure(make_model(stage, folder), stage, args.rounds)


def make_model(stage, folder):
    """Model of a quickstart stage with random weights."""
    torch.manual_seed(0)
    opt = config.load(QUICKSTART / f'stage{stage}.yml')
    opt.update(dist=False, rank=0, world_size=1, is_train=True, num_gpu=0)
    opt['path'] = {'experiments_root': folder}
    if stage > 1:
        opt['path']['pretrain_network_vqgan'] = f'{folder}/vqgan.pth'
        write_checkpoint(f'{folder}/vqgan.pth', {'params': build_network(opt['network_vqgan']).state_dict()})
    opt['train']['net_d_start_iter'] = 1
    for name in ('models', 'training_states'):
        Path(folder, name).mkdir()
    return build_model(opt)


def measure(model, stage, rounds):
    """Print a row of the table."""
    clip = torch.rand(1, 3, 3, 48, 48)
    model.feed_data({'lq': clip, 'gt': clip})
    in_guards = []
    guarded = {
        name: timed(function, in_guards)
        for name, function in (('remember', model.guard.remember), ('agree_on', model.agree_on))
    }
    seconds = {True: [], False: []}
    for iteration in range(2 * rounds + 4):
        with_guards = iteration % 2 == 0
        model.guard.remember = guarded['remember'] if with_guards else (lambda nets: None)
        model.agree_on = guarded['agree_on'] if with_guards else (lambda losses, nets: UNBROKEN)
        before = len(in_guards)
        start = time.perf_counter()
        model.optimize_parameters(iteration + 1)
        elapsed = time.perf_counter() - start
        if iteration < 4:  # memory is still being laid out
            del in_guards[before:]
        else:
            seconds[with_guards].append(elapsed)
    start = time.perf_counter()
    model.save(0, 1)
    saving = time.perf_counter() - start
    # Each iteration remembers first and agrees last.
    guards = statistics.median(in_guards[::2]) + statistics.median(in_guards[1::2])
    iteration, bare = (statistics.median(seconds[key]) for key in (True, False))
    sys.stdout.write(
        f'{stage:>5}  {iteration * 1e3:13.1f}  {guards * 1e3:10.2f}  {guards / iteration:6.2%}  '
        f'{iteration / bare:6.3f}  {saving / iteration:22.1f}\n'
    )


def timed(function, record):
    """The function, which also notes how long it took."""

    def wrapper(*arguments):
        start = time.perf_counter()
        result = function(*arguments)
        record.append(time.perf_counter() - start)
        return result

    return wrapper


if __name__ == '__main__':
    main()
