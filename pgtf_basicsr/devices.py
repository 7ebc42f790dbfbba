"""Devices and precisions that commands, metrics and models accept by name."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .errors import UserError

__all__ = ['PRECISIONS', 'find_device', 'is_out_of_memory', 'memory_advice']

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}

# What torch says where memory is not to be had, besides its OutOfMemoryError: on a CPU, of cuBLAS and cuDNN, and where
# none of cuDNN's algorithms gets its workspace.
NO_MEMORY = ("can't allocate memory", 'out of memory', 'ALLOC_FAILED', 'unable to find an engine')


def find_device(name: str) -> torch.device:
    """Find the torch device of a name: cpu, cuda, cuda:N, or auto, which is CUDA where there is a GPU and else the CPU.

    Raises:
        UserError: The name is another one, or this machine has no such GPU.
    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ('cpu', 'cuda'):
        raise UserError(f'device must be auto, cpu, cuda or cuda:N, not {name}')
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f'there is no device {name} here: use cpu, or auto')
    return device


@contextmanager
def memory_advice(advice: str) -> Iterator[None]:
    """Context in which running out of memory is a mistake that the user can correct.

    Args:
        advice (str): What takes less memory, such as "a smaller --size".

    Raises:
        UserError: Torch has run out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(f'out of memory: less is needed with {advice}') from error


def is_out_of_memory(error: Exception) -> bool:
    """Say whether an error means that a device has too little free memory."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in NO_MEMORY)
