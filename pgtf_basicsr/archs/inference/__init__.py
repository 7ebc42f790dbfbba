"""Makes a trained network fast: the same weights and results to rounding, in operators that cannot be trained."""

from functools import partial

import torch
from torch import nn

from .. import blocks
from .convolution import Downsample, ResidualBlock, Upsample, arranged, last_convolution
from .linear import Linear, linear
from .memory import release_free_memory
from .strips import channels_last
from .swin3d import Swin3DLayer
from .temporal_fusion import TemporalFidelityRegulator

__all__ = ['for_inference']

# What stays in single precision.
EXACT = ('codebook.', 'predictor.norm.', 'predictor.head.', 'parsing_net.mean', 'parsing_net.std')

FASTER = {
    nn.Linear: Linear,
    nn.modules.linear.NonDynamicallyQuantizableLinear: Linear,
    blocks.ResidualBlock: ResidualBlock,
    blocks.Upsample: Upsample,
    blocks.Downsample: Downsample,
    blocks.Swin3DLayer: Swin3DLayer,
    blocks.TemporalFidelityRegulator: TemporalFidelityRegulator,
}


def for_inference(net, dtype=torch.float32):
    """Turn a network, in place, into one that restores faster and cannot be trained.

    Maps are channels-last. Convolutions run a strip of rows at a time, together with the normalisation and activation
    before them. On a CPU 3x3 convolutions take 4/9 of the multiplications, those after upsampling 1/4, and products of
    matrices are left to the faster of torch's two libraries. Bias and mask of windows are built once, the four that
    serve maps of any size. In single precision results stay as close to exact arithmetic as those of the network
    before. In half precision sums of normalisations, codes and logits stay in single precision.

    Args:
        net (TSVQGAN | PGTFormer): In evaluation mode.
        dtype (torch.dtype): float32, bfloat16 or float16, of weights and maps. Default: float32.

    Returns:
        nn.Module: ``net``.
    """
    net.requires_grad_(False)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if tensor.is_floating_point() and not name.startswith(EXACT):
            tensor.data = tensor.data.to(dtype)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = channels_last(module.weight.data)
        elif isinstance(module, blocks.PredictorLayer):
            module.project = linear
    replace(net)
    for coder in (net.encoder, net.decoder):
        coder.tail = partial(last_convolution, coder.norm_out, arranged(coder.conv_out))
    # What the weights in their former order had.
    release_free_memory(torch.device('cpu'))
    return net


def replace(module):
    """Replace modules below ``module`` by their faster counterparts."""
    for name, child in module.named_children():
        replace(child)
        if type(child) in FASTER:
            setattr(module, name, FASTER[type(child)](child))
