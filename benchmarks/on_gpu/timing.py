"""Time and memory of work on a device, and the precisions it is done in."""

import gc
import time
from contextlib import contextmanager

import torch

# In the order of their importance.
DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16, 'tf32': torch.float32, 'fp32': torch.float32}
GIB = 2**30


def seconds_of(call, repeats, device):
    """Seconds of a call, the mean of some that follow each other without waiting for the device."""
    if device.type == 'cuda':
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / repeats
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def wall_seconds(call, device):
    """Seconds of a call by the clock on the wall, until the device has done all of it."""
    synchronize(device)
    start = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - start


def synchronize(device):
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def release(device):
    """Give back memory that nothing uses, and start to look for a new peak."""
    gc.collect()
    if device.type == 'cuda':
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def allocated(device):
    """Bytes of tensors on the device; 0 on a CPU, where they are not counted."""
    return torch.cuda.memory_allocated(device) if device.type == 'cuda' else 0


def peak_allocated(device, others=0):
    """The most GiB of tensors on the device since the last :func:`release`, but for some bytes; None on a CPU."""
    return (torch.cuda.max_memory_allocated(device) - others) / GIB if device.type == 'cuda' else None


def peak_reserved(device):
    """The most GiB that torch has taken of the device since the last :func:`release`; None on a CPU."""
    return torch.cuda.max_memory_reserved(device) / GIB if device.type == 'cuda' else None


@contextmanager
def arithmetic(precision):
    """Allow TF32 for tf32, forbid it for fp32; bf16 and fp16 leave what is still in fp32 to torch's defaults."""
    if precision in ('tf32', 'fp32'):
        allow_tf32(precision == 'tf32', precision == 'tf32')
    try:
        yield
    finally:
        allow_tf32(False, True)


def allow_tf32(products, convolutions):
    torch.backends.cuda.matmul.allow_tf32 = products
    torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def searched_convolutions():
    """Let cuDNN try its algorithms on each new size of a convolution and keep the fastest, as BasicSR does."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


def autocast(precision, device):
    """The context of forward passes of a network in fp32."""
    dtype = DTYPES[precision]
    return torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
