"""Iterations on a GPU: no step is skipped in any precision, and the host waits for none."""

import logging
from contextlib import contextmanager, nullcontext
from itertools import chain, islice, repeat

import pytest
import torch
from basicsr.data import build_dataset
from torch.utils.data import DataLoader

from pgtf_basicsr import config
from pgtf_basicsr.checkpoints import write_checkpoint

from ..helpers.quickstart import QUICKSTART, write_data
from ..helpers.training_steps import batch, build, labelled_batch, make, make_parsing, network

pytestmark = pytest.mark.gpu

ITERATIONS = 50


@pytest.fixture(scope='module')
def quickstart(tmp_path_factory):
    """A folder with sample data and fresh weights for each stage of the quickstart."""
    folder = tmp_path_factory.mktemp('quickstart')
    write_data(folder)
    torch.manual_seed(1)
    opt = config.load(QUICKSTART / 'stage3.yml')
    for name in ('network_g', 'network_vqgan', 'network_d'):
        write_checkpoint(folder / f'{name}.pth', {'params': network(opt[name]).state_dict()})
    return folder


@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_no_step_of_the_quickstart_is_skipped(stage, precision, quickstart, gpu, monkeypatch, caplog):
    """Nor is the loss scale of fp16 ever too large: it would be halved."""
    monkeypatch.chdir(quickstart)
    opt = config.load(QUICKSTART / f'stage{stage}.yml')
    opt['path'] = {key: f'{key.removeprefix("pretrain_")}.pth' for key in opt['path'] if key != 'resume_state'}
    opt['train']['precision'] = precision
    if 'net_d_start_iter' in opt['train']:
        opt['train']['net_d_start_iter'] = ITERATIONS // 2
    section = {**opt['datasets']['train'], 'phase': 'train'}
    loader = DataLoader(build_dataset(section), batch_size=2, shuffle=True)
    model = build(opt, num_gpu=1)
    scale = model.scaler.get_scale()
    monkeypatch.setattr(logging.getLogger('basicsr'), 'propagate', True)
    batches = chain.from_iterable(repeat(loader))
    for iteration, data in enumerate(islice(batches, ITERATIONS), 1):
        model.update_learning_rate(iteration, opt['train']['warmup_iter'])
        model.feed_data(data)
        model.optimize_parameters(iteration)
    losses = model.get_current_log()
    assert model.scaler.is_enabled() == (precision == 'fp16') and model.scaler.get_scale() >= scale
    assert 'not finite' not in caplog.text
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values())
    assert ('l_g_gan' in losses) == (stage != 2)


@contextmanager
def without_waiting():
    """Context in which an operation that lets the host wait for the GPU is an error."""
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize(
    'changes',
    [
        {},
        {'train:precision': 'bf16', 'train:activation_checkpointing': True},
        {'train:precision': 'fp16', 'train:accumulate_iters': 2},
        {'train:precision': 'bf16', 'train:fused_kernels': True},
    ],
)
@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_an_iteration_does_not_wait_for_the_gpu(stage, changes, weights, gpu):
    model = make(stage, weights, num_gpu=1, **changes)
    do_not_wait(model, [batch(2, seed=iteration) for iteration in range(4)])


@pytest.mark.parametrize('precision', ['fp32', 'bf16', 'fp16'])
def test_an_iteration_of_face_parsing_does_not_wait_for_the_gpu(precision, gpu):
    model = make_parsing(num_gpu=1, **{'train:precision': precision})
    do_not_wait(model, [labelled_batch(4, seed=iteration, side=64) for iteration in range(4)])


def do_not_wait(model, batches):
    """Run iterations, the last two of which must launch all they do and go on."""
    for iteration, data in enumerate(batches, 1):
        data = {name: value.pin_memory() if torch.is_tensor(value) else value for name, value in data.items()}
        # The first one makes tables that later ones find.
        with without_waiting() if iteration > 2 else nullcontext():
            model.update_learning_rate(iteration)
            model.feed_data(data)
            model.optimize_parameters(iteration)
    assert model.get_current_log()


def test_what_would_wait_is_found(gpu):
    x = torch.arange(4.0, device=gpu)
    for culprit in (lambda: x.sum().item(), lambda: x[x > 1], lambda: x.cpu(), lambda: bool(x.any())):
        with without_waiting(), pytest.raises(RuntimeError, match='synchronizing'):
            culprit()
