"""Blocks on their own, as another project uses them."""

import doctest
import importlib

import pytest
import torch

from pgtf_basicsr.archs import blocks
from pgtf_basicsr.archs.blocks import (
    Codebook,
    CodePredictor,
    Swin3DLayer,
    TemporalFidelityRegulator,
    VQGANDiscriminator,
    adain,
)

# What each is for clips of T frames, and its inputs for B clips with feature maps of a size.
BLOCKS = {
    'Swin3DLayer': (lambda t: Swin3DLayer(16, t, num_heads=2), lambda b, t, size: [(b, t, 16, *size)]),
    'Codebook': (lambda t: Codebook(6, 8), lambda b, t, size: [(b, t, *size, 8)]),
    'TemporalFidelityRegulator': (
        lambda t: TemporalFidelityRegulator(32, t),
        lambda b, t, size: [(b * t, 32, *size), (b * t, 32, *size)],
    ),
    'CodePredictor': (
        lambda t: CodePredictor(8, 57, 6, width=16, num_layers=2, num_heads=2, mlp_width=24),
        lambda b, t, size: [(b, t, *size, 8), (b * t, 57, *size)],
    ),
    'adain': (lambda t: adain, lambda b, t, size: [(b * t, 8, *size), (b * t, 8, size[1] + 1, size[0])]),
    'VQGANDiscriminator': (
        lambda t: VQGANDiscriminator(num_feat=8, num_layers=2),
        lambda b, t, size: [(b, t, 3, 11 + size[0], 11 + size[1])],
    ),
}
SHAPES = [(1, (5, 7)), (1, (4, 4)), (3, (1, 9)), (2, (13, 6))]


def outputs_of(block, inputs):
    outputs = block(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def modes_of(block):
    """The block in training mode and in evaluation mode; functions have none."""
    return (block.train, block.eval) if isinstance(block, torch.nn.Module) else (lambda: block,)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize('num_frames, size', SHAPES)
@pytest.mark.parametrize('name', BLOCKS)
def test_gradients_reach_all_inputs_and_parameters(name, num_frames, size):
    make, shapes = BLOCKS[name]
    block = make(num_frames)
    parameters = list(block.parameters()) if isinstance(block, torch.nn.Module) else []
    for parameter in parameters:
        if not parameter.any():  # what starts at zero hides what is before it
            torch.nn.init.normal_(parameter, std=0.1)
    for mode in modes_of(block):
        mode()
        inputs = [torch.randn(shape, requires_grad=True) for shape in shapes(2, num_frames, size)]
        floats = [output for output in outputs_of(block, inputs) if output.is_floating_point()]
        sum((output * torch.randn_like(output)).sum() for output in floats).backward()
        for tensor in [*inputs, *parameters]:
            assert tensor.grad.isfinite().all() and tensor.grad.any()
            tensor.grad = None


@pytest.mark.parametrize('num_frames, size', SHAPES)
@pytest.mark.parametrize('name', BLOCKS)
@torch.no_grad()
def test_a_batch_is_its_clips(name, num_frames, size):
    make, shapes = BLOCKS[name]
    block = make(num_frames)
    if isinstance(block, torch.nn.Module):
        block.eval()
    batch = [torch.randn(shape) for shape in shapes(2, num_frames, size)]
    together = outputs_of(block, batch)
    clips = [outputs_of(block, inputs) for inputs in zip(*(x.chunk(2) for x in batch))]
    for output, *parts in zip(together, *clips):
        joined = torch.cat(parts) if output.dim() else torch.stack(parts).mean()
        torch.testing.assert_close(output, joined, rtol=1e-4, atol=1e-5)


def zeros(*shape):
    return torch.zeros(shape)


WRONG = [
    ('Swin3DLayer', [zeros(1, 2, 16, 4, 4)], r'x of Swin3DLayer .* \(B, 3, 16, H, W\), not \(1, 2, 16, 4, 4\)'),
    ('Swin3DLayer', [zeros(3, 16, 4, 4)], r'\(B, 3, 16, H, W\), not \(3, 16, 4, 4\)'),
    ('Codebook', [zeros(2, 8, 4, 4)], r'latents of Codebook .* \(\.\.\., 8\), not \(2, 8, 4, 4\)'),
    ('TemporalFidelityRegulator', [zeros(4, 32, 4, 4)] * 2, 'whole clips of 3 frames, not 4'),
    ('TemporalFidelityRegulator', [zeros(3, 8, 4, 4)] * 2, r'encoder_feature .* \(B \* T, 32, H, W\), not \(3, 8'),
    ('TemporalFidelityRegulator', [zeros(3, 32, 4, 4), zeros(3, 32, 4, 5)], r'decoder_feature .* \(3, 32, 4, 4\), not'),
    ('CodePredictor', [zeros(1, 3, 4, 4, 9), zeros(3, 57, 4, 4)], r'latents of CodePredictor .* \(B, T, h, w, 8\)'),
    ('CodePredictor', [zeros(1, 3, 4, 4, 8), zeros(1, 57, 4, 4)], r'parsing of CodePredictor .* \(3, 57, 4, 4\), not'),
    ('adain', [zeros(2, 8, 4, 4), zeros(2, 7, 4, 4)], r'style of adain .* \(2, 8, H, W\), not \(2, 7, 4, 4\)'),
    ('adain', [zeros(2, 8, 4, 4), zeros(2, 8, 1, 1)], 'at least two positions'),
    ('VQGANDiscriminator', [zeros(1, 1, 64, 64)], r'frames of VQGANDiscriminator .* \(N, 3, H, W\), not \(1, 1'),
    ('VQGANDiscriminator', [zeros(1, 3, 64, 11)], 'at least 12 pixels a side'),
]


@pytest.mark.parametrize('name, inputs, complaint', WRONG)
def test_wrong_shapes_are_refused_in_one_line(name, inputs, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        BLOCKS[name][0](3)(*inputs)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('num_layers', [1, 2, 3])
@torch.no_grad()
def test_the_discriminator_takes_frames_down_to_the_size_it_states(num_layers):
    net = VQGANDiscriminator(num_feat=8, num_layers=num_layers).eval()
    assert net(torch.rand(1, 3, net.min_size, net.min_size)).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    'make, complaint',
    [
        (lambda: Swin3DLayer(10, 3, num_heads=4), '10 channels cannot be split into 4 heads'),
        (lambda: CodePredictor(8, 57, 6, width=10, num_heads=4), '10 channels cannot be split into 4 heads'),
        (lambda: TemporalFidelityRegulator(48, 3, 16), '112 channels .* take a multiple of 32'),
    ],
)
def test_impossible_arguments_are_refused_in_one_line(make, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        make()
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', BLOCKS)
def test_examples_run(name):
    block = getattr(blocks, name)
    examples = doctest.DocTestFinder(recurse=False).find(
        block, name, module=importlib.import_module(block.__module__), extraglobs={'torch': torch}
    )
    runner = doctest.DocTestRunner()
    assert [runner.run(example).failed for example in examples] == [0] and runner.tries > 1


def test_the_codebook_has_both_of_its_names():
    assert blocks.VectorQuantizer is Codebook
