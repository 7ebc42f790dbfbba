"""Triton kernels compiled for a GPU, without one. Other tests run them in an interpreter, which accepts more."""

import os
import subprocess
import sys

import pytest

# Runs in a process of its own, for conftest.py chooses the interpreter. Arguments of 1, which Triton takes as
# constants, have no part in it.
PROGRAM = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from pgtf_basicsr.archs import kernels

TILE, GROUP = dict(rows=64, block=64), dict(per_group=2, block=2, parts_block=512)
CONSTANTS = {
    '_sums': TILE,
    '_affine': dict(GROUP, has_bias=True),
    '_silu': TILE,
    '_add': dict(block=4096),
    '_gradient_sums': dict(TILE, per_group=2),
    '_gradient_means': GROUP,
    '_input_gradient': dict(TILE, per_group=2),
}
TYPES = dict.fromkeys(['sums', 'affine', 'statistics', 'weight', 'summand', 'bias', 'means', 'totals'], '*fp32')
TYPES['eps'] = 'fp32'
for dtype in ('bf16', 'fp16', 'fp32'):
    types = dict(TYPES, **dict.fromkeys(['x', 'out', 'gradient', 'shortcut'], '*' + dtype))
    for name, constants in CONSTANTS.items():
        kernel = getattr(kernels, name)
        signature = {n: 'constexpr' if n in constants else types.get(n, 'i32') for n in kernel.arg_names}
        values = {(kernel.arg_names.index(n),): value for n, value in constants.items()}
        compiled = triton.compile(ASTSource(kernel, signature, values), target=GPUTarget('cuda', 90, 32))
        assert compiled.asm['cubin']
        print(name)
"""


@pytest.mark.slow
def test_kernels_compile_for_a_gpu(tmp_path):
    kernels = pytest.importorskip('pgtf_basicsr.archs.kernels')
    environment = {name: value for name, value in os.environ.items() if name != 'TRITON_INTERPRET'}
    environment['TRITON_CACHE_DIR'] = str(tmp_path)
    done = subprocess.run([sys.executable, '-c', PROGRAM], env=environment, text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    launched = {name for name in vars(kernels) if name.startswith('_') and hasattr(getattr(kernels, name), 'arg_names')}
    # The others are called by these.
    assert set(done.stdout.split()) == launched - {'_sums_of_group', '_normalised_gradient'}
