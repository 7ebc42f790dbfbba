"""Memory of restoration on a GPU, counted on fake tensors, against what an H200 took.

It is what ``torch.cuda.max_memory_allocated`` shows, but for workspaces: those of cuBLAS, 32 MiB for each stream on an
H200, and those of cuDNN, which depend on the algorithms it chooses. What the allocator reserves beside it, such as the
memory that a graph works in, is more.
"""

import gc
import json
from collections import deque
from contextlib import contextmanager
from itertools import repeat

import pytest
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import for_inference
from pgtf_basicsr.restoration.streaming import restore_frames

from ..helpers.gpu_memory import counted_memory
from ..helpers.quickstart import ROOT
from ..helpers.small_networks import SWIN_PGTFORMER

GIB = 2**30
SIZE = 512, 512
BATCHES = (1, 2, 4, 8)
# GiB that one more window in a pass takes at most, by stride.
WINDOW = {1: 0.45, 3: 0.6}


@pytest.fixture(scope='module')
def counted():
    """The most GiB in bf16 of a plain pass, and by stride and windows in a pass; GiB of tables that stay after it."""
    net = PGTFormer().eval().requires_grad_(False)
    with counted_memory() as memory:
        net = net.to('cuda')
        peaks = {'plain pass': plain_peak(net, memory)}
        net = for_inference(net, torch.bfloat16)
        for stride in WINDOW:
            for batch in BATCHES:
                peaks[stride, batch] = restoration_peak(net, stride, batch, memory)
        weights = sum(x.nbytes for x in [*net.parameters(), *net.buffers()])
        peaks['tables'] = (memory.allocated - weights) / GIB
    return peaks


def restoration_peak(net, stride, windows, memory):
    """The most GiB during three passes: the first is not recorded as a graph, the second is, the third is replayed."""
    frames = repeat(torch.zeros(3, *SIZE, device='cuda'), net.num_frames + (3 * windows - 1) * stride)
    memory.peak = memory.allocated
    deque(restore_frames(net, frames, stride, windows, 'cuda'), maxlen=0)
    return memory.peak / GIB


@torch.no_grad()
def plain_peak(net, memory):
    """The most GiB during a pass of the network in fp32 under autocast."""
    memory.peak = memory.allocated
    with autocast():
        net(torch.zeros(1, net.num_frames, 3, *SIZE, device='cuda'))
    return memory.peak / GIB


@contextmanager
def autocast():
    """As torch.autocast, which is disabled where there is no GPU."""
    before = torch.get_autocast_dtype('cuda')
    torch.set_autocast_dtype('cuda', torch.bfloat16)
    torch.set_autocast_enabled('cuda', True)
    try:
        yield
    finally:
        torch.set_autocast_enabled('cuda', False)
        torch.set_autocast_dtype('cuda', before)


@pytest.fixture(scope='module')
def measured():
    """GiB on an H200 in bf16, one window in a pass, by mode."""
    sections = json.loads((ROOT / 'benchmarks' / 'results' / 'nvidia-h200.json').read_text())['sections']
    return {row['mode']: row['memory, GiB'] for row in sections['inference'] if row['precision'] == 'bf16'}


def test_storages_are_counted_once_and_until_their_end():
    with counted_memory() as memory:
        x = torch.zeros(1000, device='cuda')
        assert memory.allocated == 4096
        y = x.view(10, 100)[:5] + 1
        del x
        assert (memory.allocated, memory.peak) == (2048, 6144)
        y.mul_(2).t().contiguous()
        assert (memory.allocated, memory.peak) == (2048, 6144)
        torch.zeros(1000)
        del y
        assert memory.allocated == 0


def test_graphs_are_freed_with_their_stream():
    """Without the garbage collector: it does not know how much memory of a GPU waits for it."""
    net = PGTFormer(**SWIN_PGTFORMER).eval()
    with counted_memory() as memory:
        net = for_inference(net.to('cuda'))
        frames = torch.zeros(8, 3, 32, 32, device='cuda')
        deque(restore_frames(net, frames, device='cuda'), maxlen=0)
        kept = memory.allocated
        gc.disable()
        try:
            deque(restore_frames(net, frames, device='cuda'), maxlen=0)
        finally:
            gc.enable()
        assert memory.allocated == kept


@pytest.mark.slow(seconds=20)
def test_peaks_are_those_of_a_gpu(counted, measured):
    assert counted['plain pass'] == pytest.approx(measured['plain pass'], rel=0.1)
    assert counted[1, 1] == pytest.approx(measured['stride 1'], rel=0.1)
    # Tables of bias and mask were left there from passes with stride 1, and not counted again.
    assert counted[3, 1] - counted['tables'] == pytest.approx(measured['stride 3'], rel=0.1)


@pytest.mark.slow(seconds=20)
def test_one_window_takes_less_than_the_plain_pass_and_4_gib(counted):
    assert counted[1, 1] < counted['plain pass'] < 4
    assert counted[3, 1] < counted['plain pass'] < 4


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize('stride', WINDOW)
def test_each_window_takes_no_more_than_the_one_before(counted, stride):
    sizes = [counted[stride, batch] for batch in BATCHES]
    each = [(more - less) / windows for less, more, windows in zip(sizes, sizes[1:], BATCHES)]
    assert max(each) < WINDOW[stride] and max(each) <= 1.05 * each[0], each
