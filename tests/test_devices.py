"""Memory that is not to be had."""

import pytest
import torch

from pgtf_basicsr.devices import memory_advice
from pgtf_basicsr.errors import UserError


def allocate_too_much():
    torch.empty(2**60)


def fail_as_on_a_gpu():
    raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB.')


def fail_as_cudnn():
    raise RuntimeError('GET was unable to find an engine to execute this computation')


@pytest.mark.parametrize('fail', [allocate_too_much, fail_as_on_a_gpu, fail_as_cudnn])
def test_what_takes_less_memory_is_named(fail):
    message = '^out of memory: less is needed with a smaller --size$'
    with pytest.raises(UserError, match=message), memory_advice('a smaller --size'):
        fail()


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match='size mismatch|inconsistent'), memory_advice('a smaller --size'):
        torch.zeros(2) @ torch.zeros(3)
