"""Inference on CPUs in several threads: the same bits, and what a caller would notice."""

import copy
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import for_inference, stream
from pgtf_basicsr.archs.inference.thread_pool import ThreadPool, for_each, in_threads

SMALL = dict(image_size=64, width=64, multipliers=(1, 2, 2), swin_levels=(16,), z_channels=32, codebook_size=32)
PREDICTOR = dict(predictor_width=32, predictor_layers=2, predictor_heads=4, predictor_mlp=32, tfr_levels=(32, 16))


@pytest.fixture
def threads():
    """A function that sets how many threads torch has here; tests have one."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def net():
    torch.manual_seed(0)
    net = PGTFormer(codebook_dim=32, **SMALL, **PREDICTOR).eval()
    for parameter in net.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return net


def restored(net, clip):
    streamed = stream(net)
    features = [streamed.frame_features(frame) for frame in clip[0].split(1)]
    return streamed.restore(features, slice(1, 2)).clone()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
@pytest.mark.parametrize('mode', [torch.no_grad, torch.inference_mode])
def test_bits_do_not_depend_on_threads(net, threads, dtype, mode):
    fast, clip = for_inference(copy.deepcopy(net), dtype), torch.rand(1, 3, 3, 80, 64)
    results = []
    for count in (1, 2, 3):
        threads(count)
        with mode():
            results.append(restored(fast, clip))
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    assert not results[2].requires_grad and results[2].is_inference() == (mode is torch.inference_mode)


@torch.no_grad()
def test_callers_in_several_threads_take_turns(net, threads):
    threads(2)
    nets = [for_inference(copy.deepcopy(net)) for _ in range(3)]
    clips = torch.rand(3, 1, 3, 3, 32, 32)
    expected = [restored(*each) for each in zip(nets, clips)]

    def run(each):
        torch.set_num_threads(2)
        with torch.no_grad():
            return restored(*each)

    with ThreadPoolExecutor(3) as callers:
        for result, other in zip(callers.map(run, zip(nets, clips)), expected):
            assert torch.equal(result, other)


def test_threads_share_what_is_left(threads):
    """While one item takes long, the other thread does all others."""
    threads(2)
    others_done, by = threading.Event(), {}

    def work(item):
        by[item] = threading.get_ident()
        if item == 0:
            assert others_done.wait(60)
        if len(by) == 20:
            others_done.set()

    in_threads(lambda: for_each(work, range(20)))
    assert len(by) == 20 and by[0] not in {by[item] for item in range(1, 20)}


def test_each_thread_has_one_of_torch_and_others_keep_theirs(threads):
    threads(3)
    counts = []
    in_threads(lambda: for_each(lambda _: counts.append(torch.get_num_threads()), range(12)))
    assert counts == [1] * 12
    assert torch.get_num_threads() == 3
    with ThreadPoolExecutor(1) as new:
        assert new.submit(torch.get_num_threads).result() == 3


def test_an_error_is_the_callers(threads):
    threads(2)

    def work(item):
        if item == 3:
            raise ValueError('item 3')

    with pytest.raises(ValueError, match='item 3'):
        in_threads(lambda: for_each(work, range(8)))
    seen = []
    in_threads(lambda: for_each(seen.append, range(8)))
    assert sorted(seen) == list(range(8))


def test_items_within_items(threads):
    threads(2)
    seen = []
    in_threads(lambda: for_each(lambda i: for_each(lambda j: seen.append((i, j)), range(3)), range(4)))
    assert sorted(seen) == [(i, j) for i in range(4) for j in range(3)]


def test_a_child_process_has_threads_of_its_own(threads):
    threads(2)
    in_threads(lambda: None)
    child = os.fork()
    if not child:
        done = []
        in_threads(lambda: for_each(done.append, range(4)))
        os._exit(len(done))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


def test_control_c_ends_a_pass_between_two_items():
    program = (
        'import time, torch; torch.set_num_threads(2)\n'
        'from pgtf_basicsr.archs.inference.thread_pool import for_each, in_threads\n'
        'def work(item):\n'
        '    print(item, flush=True)\n'
        '    time.sleep(0.2)\n'
        'in_threads(lambda: for_each(work, range(1000)))\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    process.send_signal(2)
    begun = time.monotonic()
    out, error = process.communicate(timeout=120)
    assert process.returncode != 0 and 'KeyboardInterrupt' in error
    assert len(out.split()) < 500 and time.monotonic() - begun < 100


def test_control_c_while_work_is_handed_over_ends_it(monkeypatch):
    pool, begun, seen = ThreadPool(2), threading.Event(), []
    submit = pool.executor.submit

    def interrupted(task):
        monkeypatch.undo()
        submit(task)
        begun.wait(10)
        raise KeyboardInterrupt

    def work(item):
        begun.set()
        seen.append(item)
        time.sleep(0.01)

    monkeypatch.setattr(pool.executor, 'submit', interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.run(lambda: for_each(work, range(500)))
    time.sleep(1)
    assert len(seen) < 50
