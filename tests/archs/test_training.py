"""Networks arranged for training on a GPU against torch's functions in fp64. Kernels run in Triton's interpreter."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.autograd.graph import saved_tensors_hooks

from pgtf_basicsr.archs import TSVQGAN
from pgtf_basicsr.archs.blocks import ResidualBlock, Swin3DLayer
from pgtf_basicsr.archs.memory_format import channels_last

kernels = pytest.importorskip('pgtf_basicsr.archs.kernels')
training = pytest.importorskip('pgtf_basicsr.archs.training')

EPS = 1e-6
MODULES = {
    'residual block': (lambda: ResidualBlock(32, 64), (3, 32, 9, 7)),
    'residual block of equal channels': (lambda: ResidualBlock(32, 32), (2, 32, 7, 9)),
    'swin layer': (lambda: Swin3DLayer(32, 2, num_heads=4), (1, 2, 32, 6, 7)),
}


def gradients(function, inputs, weights):
    """Of the weighted sum of the results of a function, those of each input."""
    out = function(*inputs)
    return [out, *torch.autograd.grad((out * weights.to(out.dtype)).sum(), inputs)]


# Two channels a group, three, seventeen; one position; one channel a group, and positions of several programs.
@pytest.mark.parametrize('shape', [(2, 64, 9, 7), (1, 96, 33, 5), (3, 544, 4, 4), (1, 64, 1, 1), (2, 32, 20, 21)])
@pytest.mark.parametrize('mean', [0, 30])
def test_gradients_of_a_normalisation(shape, mean):
    torch.manual_seed(0)
    inputs = [torch.randn(shape) + mean, torch.randn(shape[1]), torch.randn(shape[1])]
    inputs = [x.requires_grad_() for x in inputs]
    exact = [x.detach().double().requires_grad_() for x in inputs]
    weights = torch.randn(shape)
    expected = gradients(lambda x, w, b: F.silu(F.group_norm(x, 32, w, b, EPS)), exact, weights.double())
    # As accurate as torch's own of contiguous fp32 feature maps, or as rounding of the input's mean allows.
    plain = gradients(lambda x, w, b: F.silu(F.group_norm(x, 32, w, b, EPS)), inputs, weights)
    fused = gradients(lambda x, w, b: kernels.NormalisedSiLU.apply(channels_last(x), w, b, 32, EPS), inputs, weights)
    for value, plain_value, exact_value in zip(fused, plain, expected):
        assert value.shape == exact_value.shape and value.dtype == torch.float32
        error, plain_error = ((x - exact_value).abs().max() for x in (value, plain_value))
        assert error <= 3 * plain_error + 1e-5 * exact_value.abs().max()


# Triton's interpreter cuts bf16 off instead of rounding it.
@pytest.mark.parametrize('dtype, steps', [(torch.bfloat16, 1), (torch.float16, 0.51)])
def test_bf16_and_fp16_are_rounded_once(dtype, steps):
    """Input, result and their gradients are in bf16 or fp16, all between in fp32."""
    torch.manual_seed(0)
    norm = torch.nn.GroupNorm(32, 64, eps=EPS)
    torch.nn.init.normal_(norm.weight)
    x, weights = torch.randn(2, 64, 9, 7).to(dtype).requires_grad_(), torch.randn(2, 64, 9, 7).to(dtype)
    out, of_x = gradients(lambda x: kernels.normalised_silu(x, norm), [x], weights)
    exact = x.detach().double().requires_grad_()
    expected = gradients(lambda x: F.silu(copy.deepcopy(norm).double()(x)), [exact], weights.double())
    assert out.dtype == of_x.dtype == dtype
    for value, exact_value in zip((out, of_x), expected):
        # Half a step of the type, and fp32's errors.
        error = (value.double() - exact_value).abs()
        assert (error / (torch.finfo(dtype).eps * exact_value.abs() + 1e-5)).max() <= steps


@pytest.mark.parametrize('name', MODULES)
def test_modules_learn_the_same(name):
    torch.manual_seed(0)
    make, shape = MODULES[name]
    module = make()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    exact, root = copy.deepcopy(module).double(), torch.nn.Sequential(copy.deepcopy(module))
    training.for_training(root)
    assert type(root[0]) is training.COUNTERPARTS[type(module)]
    x, results = torch.randn(shape), []
    weights = torch.randn_like(module(x))
    for net, values in ((exact, x.double()), (module, x.clone()), (root[0], x)):
        values = values.requires_grad_()
        results.append(gradients(lambda x, *parameters, net=net: net(x), [values, *net.parameters()], weights))
    assert results[2][0].flatten(0, -4).is_contiguous(memory_format=torch.channels_last)
    # Some gradients are zero but for rounding, as those of biases before groups of one channel.
    largest = max(value.abs().max() for value in results[0])
    for exact_value, plain_value, value in zip(*results):
        error, plain_error = ((x - exact_value).abs().max() for x in (value, plain_value))
        assert error <= 3 * plain_error + 1e-6 * largest


@pytest.mark.slow
def test_an_autoencoder_learns_the_same():
    torch.manual_seed(0)
    options = dict(image_size=8, width=32, multipliers=(1,), swin_levels=(8,), z_channels=32, codebook_size=16)
    net = TSVQGAN(**options, codebook_dim=32, num_frames=1).train()
    net.codebook.eval()
    # An average of its weights, as training keeps one, stays a plain network with the same names.
    fused, average = copy.deepcopy(net), copy.deepcopy(net)
    training.for_training(fused)
    average.load_state_dict(fused.state_dict())
    clip, results = torch.rand(1, 1, 3, 8, 8), []
    for each in (net, fused):
        out, commitment, codes = each(clip)
        loss = (out - clip).abs().mean() + commitment
        loss.backward()
        results.append((out, loss, codes))
    assert torch.equal(results[0][2], results[1][2])
    torch.testing.assert_close(results[0][:2], results[1][:2], rtol=1e-5, atol=1e-5)
    largest = max(parameter.grad.abs().max() for parameter in net.parameters())
    for (name, plain), parameter in zip(net.named_parameters(), fused.parameters()):
        error = (parameter.grad - plain.grad).abs().max()
        assert error <= 1e-4 * plain.grad.abs().max() + 1e-6 * largest, name


def test_less_is_kept_for_the_backward_pass():
    """Of x -> norm -> SiLU -> convolution, twice: four feature maps, not six."""
    block, x = ResidualBlock(32, 32), torch.randn(1, 32, 16, 16)
    fused = torch.nn.Sequential(copy.deepcopy(block))
    training.for_training(fused)

    def kept(net):
        maps = {}

        def keep(tensor):
            if tensor.numel() == x.numel():
                maps[tensor.data_ptr()] = tensor
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            net(x.clone().requires_grad_())
        return len(maps)

    assert kept(block) == 6 and kept(fused) == 4


def test_an_evaluation_of_it_is_without_gradients():
    block = torch.nn.Sequential(ResidualBlock(32, 32)).eval()
    x = torch.randn(1, 32, 5, 4)
    with torch.no_grad():
        expected = block(x)
        training.for_training(block)
        torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)
