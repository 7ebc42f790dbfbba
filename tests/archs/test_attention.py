"""Attention against the formula in fp64."""

import math

import pytest
import torch

from pgtf_basicsr.archs import processor
from pgtf_basicsr.archs.blocks.attention import attention


def exact(query, key, value, bias=None):
    query, key, value = (x.double() for x in (query, key, value))
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    return (scores if bias is None else scores + bias.double()).softmax(-1) @ value


def draw(windows, tokens, dtype):
    torch.manual_seed(0)
    return torch.randn(3, windows, tokens, 4, 16).to(dtype).transpose(2, 3)


# None; all at once; some windows at a time; some heads of a window; a head in parts, the last of them shorter.
@pytest.mark.parametrize('windows, tokens', [(0, 48), (32, 48), (151, 48), (2, 600), (3, 1500), (1, 3000)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@torch.no_grad()
def test_attention_is_the_formula(windows, tokens, dtype):
    query, key, value = draw(windows, tokens, dtype)
    out = attention(query, key, value)
    assert out.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(out.double(), exact(query, key, value), rtol=tolerance, atol=tolerance)


# A bias for all windows or one for each, added at once, or to some windows, heads or queries at a time.
@pytest.mark.parametrize(
    'windows, biases, tokens', [(40, 1, 48), (40, 40, 48), (151, 1, 48), (151, 151, 48), (2, 2, 600), (2, 1, 1100)]
)
@pytest.mark.parametrize(
    'dtype, matrix_units', [(torch.float32, False), (torch.bfloat16, False), (torch.bfloat16, True)]
)
@torch.no_grad()
def test_bias_is_added_to_scores(windows, biases, tokens, dtype, matrix_units, monkeypatch):
    monkeypatch.setattr(processor, 'AMX', matrix_units)
    query, key, value = draw(windows, tokens, dtype)
    bias = torch.randn(biases, 4, tokens, tokens).to(dtype)
    # A mask as of shifted windows.
    bias[:, :, :8, 8:] -= 100
    tolerance = 1e-5 if dtype == torch.float32 else 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        attention(query, key, value, bias).double(), exact(query, key, value, bias), rtol=tolerance, atol=tolerance
    )


def test_bf16_has_gradients():
    query, key, value = draw(2, 48, torch.bfloat16)
    query.requires_grad_()
    attention(query, key, value).float().square().sum().backward()
    reference = query.detach().double().requires_grad_()
    exact(reference, key, value).square().sum().backward()
    assert (query.grad - reference.grad).norm() < 0.02 * reference.grad.norm()
