"""Trained networks arranged for inference: fast operators that cannot be trained, and streams of frames."""

from importlib.util import find_spec

import torch
from torch import nn

from .. import blocks
from ..blocks.swin3d import Swin3DBlock as PlainSwin3DBlock
from ..counterpart import Counterpart, replace
from ..memory_format import channels_last
from ..ts_vqgan_arch import TSVQGAN
from .convolution import Convolution, Decoder, Downsample, Encoder, ResidualBlock, Upsample
from .linear import Linear, PredictorLayer
from .memory import release_free_memory
from .streaming import stream
from .swin3d import Swin3DBlock, Swin3DLayer
from .temporal_fidelity_regulator import TemporalFidelityRegulator

__all__ = ['COUNTERPARTS', 'for_inference', 'stream']

# Tensors that stay in fp32.
EXACT = ('codebook.', 'predictor.norm.', 'predictor.head.', 'parsing_net.mean', 'parsing_net.std')

COUNTERPARTS: dict[type[nn.Module], type[Counterpart]] = {
    nn.Linear: Linear,
    nn.modules.linear.NonDynamicallyQuantizableLinear: Linear,
    nn.Conv2d: Convolution,
    blocks.ResidualBlock: ResidualBlock,
    blocks.Upsample: Upsample,
    blocks.Downsample: Downsample,
    blocks.Swin3DLayer: Swin3DLayer,
    PlainSwin3DBlock: Swin3DBlock,
    blocks.PredictorLayer: PredictorLayer,
    blocks.TemporalFidelityRegulator: TemporalFidelityRegulator,
    blocks.Encoder: Encoder,
    blocks.Decoder: Decoder,
}


def for_inference(net: TSVQGAN, dtype: torch.dtype = torch.float32) -> TSVQGAN:
    """Turn a network, in place, into one that restores faster and cannot be trained.

    Feature maps are channels-last. On a CPU convolutions run a tile of rows at a time, together with the normalisation
    and activation before them; 3x3 convolutions take a quarter of the multiplications, in bf16 4/9 (all of them where
    the processor has matrix units for bf16), those after upsampling a quarter; products with weights are oneDNN's,
    and streams share tiles among threads. On a GPU Triton's kernels join what lies between two convolutions, and
    streams replay CUDA graphs. Bias and mask of windows are built once. In fp32 rounding is up to three times that of
    the network before on a CPU. In bf16 and fp16 sums of normalisations, codes and logits stay in fp32.

    Args:
        net (TSVQGAN | PGTFormer): In evaluation mode, on the device where it is to work.
        dtype (torch.dtype): float32, bfloat16 or float16, of weights and feature maps. Default: float32.

    Returns:
        TSVQGAN | PGTFormer: ``net``.
    """
    net.requires_grad_(False)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if tensor.is_floating_point() and not name.startswith(EXACT):
            tensor.data = tensor.data.to(dtype)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = channels_last(module.weight.data)
    replace(net, counterparts_for(net.encoder.conv_in.weight.device))
    # What the weights in their former order had.
    release_free_memory(torch.device('cpu'))
    return net


def counterparts_for(device: torch.device) -> dict[type[nn.Module], type[Counterpart]]:
    """Choose the layers for a device: a GPU's need Triton, which torch brings along where it supports it."""
    if device.type != 'cuda' or find_spec('triton') is None:
        return COUNTERPARTS
    from . import cuda

    return cuda.COUNTERPARTS
