"""Devices and precisions that commands, metrics and models accept by name."""

import torch

from .errors import UserError

__all__ = ['PRECISIONS', 'find_device']

PRECISIONS = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


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
