"""Finds what would let the host wait for a GPU, on a machine that has none."""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# Operators whose result, or the size of it, the host has to know.
OPERATORS = {
    '_local_scalar_dense',
    'is_nonzero',
    'item',
    'equal',
    'nonzero',
    'nonzero_numpy',
    'masked_select',
    'bincount',
    '_unique',
    '_unique2',
    'unique_dim',
    'unique_consecutive',
    'repeat_interleave',
}
# Methods and functions that read a tensor, or copy ordinary memory of the host.
FUNCTIONS = {
    'tolist',
    'numpy',
    'cpu',
    'item',
    '__bool__',
    '__int__',
    '__float__',
    '__index__',
    '__contains__',
    '__array__',
    'tensor',
    'as_tensor',
    'from_numpy',
}


@contextmanager
def recorded_waits():
    """Context of (name, tensor that was read or None) for all in it that would wait for a GPU, as a list."""
    waits = []
    with Functions(waits), Operators(waits):
        yield waits


class Operators(TorchDispatchMode):
    """Operators of forward and backward passes, whoever calls them."""

    def __init__(self, waits):
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ('index', 'index_put', 'index_put_', '_index_put_impl_') and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if name in OPERATORS or by_mask:
            self.waits.append((name, args[0]))
        return func(*args, **(kwargs or {}))


class Functions(TorchFunctionMode):
    """Calls from Python, of which some read a tensor of the CPU without an operator."""

    def __init__(self, waits):
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, '__name__', '')
        to_host = (
            name == 'to'
            and not kwargs.get('non_blocking')
            and any(str(value) == 'cpu' for value in (*args[1:], *kwargs.values()) if not torch.is_tensor(value))
        )
        if name in FUNCTIONS or to_host:
            self.waits.append((name, args[0] if torch.is_tensor(args[0]) else None))
        return func(*args, **kwargs)
