"""Memory of tensors on a GPU, counted on a machine that has none: they are fake, and nothing is computed."""

import weakref
from contextlib import contextmanager, nullcontext
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from pgtf_basicsr.archs.blocks.swin3d import relative_position_index, shift_mask

# What torch's allocator rounds a size up to.
BLOCK = 512
KERNELS = ('_sums', '_affine', '_silu', '_add')


class MemoryCounter(TorchDispatchMode):
    """Counts bytes of tensors on a GPU: every storage from the operator that returns it to its end.

    What an operator allocates beside its result is not seen: workspaces of cuBLAS and cuDNN.

    Attributes:
        allocated, peak (int): Bytes now, and the most since ``peak`` was set; as ``torch.cuda.memory_allocated``.
    """

    def __init__(self):
        super().__init__()
        self.allocated = self.peak = 0
        self.storages = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor) and x.is_cuda:
                self.add(x.untyped_storage())
        return result

    def add(self, storage):
        if storage not in self.storages:
            size = self.storages[storage] = -(-storage.nbytes() // BLOCK) * BLOCK
            weakref.finalize(storage, self.remove, size)
            self.allocated += size
            self.peak = max(self.peak, self.allocated)

    def remove(self, size):
        self.allocated -= size


@contextmanager
def counted_memory():
    """Context in which 'cuda' is a GPU of fake tensors, whose kernels and graphs do nothing; yields its counter."""
    kernels = pytest.importorskip('pgtf_basicsr.archs.kernels')
    tables = relative_position_index, shift_mask
    with pytest.MonkeyPatch.context() as patch, FakeTensorMode(allow_non_fake_inputs=True), MemoryCounter() as counter:
        for name in KERNELS:
            patch.setattr(kernels, name, Kernel())
        # It asks the GPU for a kernel; without one it would hold all scores.
        patch.setattr(F, 'scaled_dot_product_attention', fused_attention)
        patch.setattr(torch.cuda, 'device', nullcontext)
        # Results of a recorded function stay allocated, what lies between is free for others by then.
        patch.setattr(torch.cuda, 'CUDAGraph', MagicMock)
        patch.setattr(torch.cuda, 'graph', lambda graph, **options: nullcontext())
        patch.setattr(torch.cuda, 'current_stream', MagicMock())
        patch.setattr(torch.cuda, 'Event', MagicMock)
        try:
            yield counter
        finally:
            # No fake tensor may wait there for a real GPU.
            for table in tables:
                table.cache_clear()


class Kernel:
    """In place of one of Triton's: it writes into tensors it is given, and allocates none."""

    def __getitem__(self, grid):
        return lambda *arguments: None


def fused_attention(query, key, value, attn_mask=None):
    """As a GPU does it, without the scores of all tokens."""
    return torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, attn_mask, False)[0]
