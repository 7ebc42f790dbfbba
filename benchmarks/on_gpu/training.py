"""Training steps of the four stages at the size of their option files."""

import tempfile
from itertools import count
from pathlib import Path

import torch
import torchvision
from full_size_step import make_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .timing import arithmetic, peak_allocated, release, searched_convolutions, seconds_of

# Past the start of adversarial training in every stage.
FIRST_ITERATION = 30001
WARM_UP, TIMED = 2, 5
# By importance: precision, batch, activation checkpointing.
CASES = (('bf16', 1, False), ('bf16', 4, False), ('bf16', 1, True), ('bf16', 2, False), ('bf16', 4, True))
MORE_OF_STAGE_3 = (('tf32', 1, False), ('fp32', 1, False), ('bf16', 2, True))
# Shares of the time; half of each is for fused kernels.
STAGES = {3: 4, 1: 2, 2: 1, 4: 2}


def measure(run, limit):
    """Iterations: a batch copied to the device, all networks forward and backward, a step of the optimizers."""
    run.drop_networks()
    with tempfile.TemporaryDirectory() as folder:
        vgg16 = Path(folder, 'vgg16.pth')
        torch.save(torchvision.models.vgg16(weights=None).features.state_dict(), vgg16)
        for stage, part in limit.shared(STAGES):
            if part.over:
                run.results.skip('training', f'stage {stage}')
                continue
            with run.attempt('training', stage=stage), searched_convolutions():
                measure_stage(run, stage, vgg16, part)
            release(run.device)


def measure_stage(run, stage, vgg16, limit):
    """Measure the cases of a stage by one model, whose layers are replaced on the way."""
    model = make_model(f'stage{stage}', 'bf16', False, vgg16, num_gpu=int(run.device.type == 'cuda'))
    # At batch 1 and without checkpointing: a recomputed activation is not counted.
    work = counted(iterations(run, model, batch=1))
    # Only a GPU runs the kernels.
    for fused, part in limit.shared({False: 1, True: 1} if run.device.type == 'cuda' else {False: 1}):
        if fused:
            from pgtf_basicsr.archs.training import for_training

            for_training(model.net_g)
        for case in (*CASES, *(MORE_OF_STAGE_3 if stage == 3 else ())):
            measure_case(run, model, work, part, case, dict(stage=stage, fused=fused))


def measure_case(run, model, work, limit, case, labels):
    """Measure one case; a clip takes ``work``, FLOP."""
    precision, batch, checkpointing = case
    labels = dict(labels, precision=precision, batch=batch, checkpointing=checkpointing)
    if precision not in run.precisions:
        return
    if limit.over:
        run.results.skip('training', ', '.join(f'{name} {value}' for name, value in labels.items()))
        return
    with run.attempt('training', **labels), arithmetic(precision):
        model.set_precision('bf16' if precision == 'bf16' else 'fp32')
        model.net_g.set_activation_checkpointing(checkpointing)
        release(run.device)
        step = iterations(run, model, batch)
        for _ in range(WARM_UP):
            step()
        release(run.device)
        timed = TIMED if run.device.type == 'cuda' else 1
        seconds = seconds_of(step, timed, run.device)
        rate = work * batch / seconds / 1e12
        run.results.add(
            'training',
            **labels,
            **{
                'iterations/s': 1 / seconds,
                'clips/s': batch / seconds,
                'ms': 1e3 * seconds,
                'TFLOP a clip': work / 1e12,
                'TFLOP/s': rate,
                'of products': run.share('product', precision, rate),
                'memory, GiB': peak_allocated(run.device),
            },
        )


def iterations(run, model, batch):
    """A function that runs one iteration on a batch that lies in the memory of the host."""
    clips = {name: torch.rand(batch, 3, 3, run.size, run.size) for name in ('lq', 'gt')}
    if run.device.type == 'cuda':
        clips = {name: clip.pin_memory() for name, clip in clips.items()}
    numbers = count(FIRST_ITERATION)

    def step():
        model.feed_data(clips)
        model.optimize_parameters(next(numbers))

    return step


def counted(step):
    """FLOP of an iteration, a multiplication and an addition being two."""
    # Of attention kernels not all are counted; products of matrices are.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
