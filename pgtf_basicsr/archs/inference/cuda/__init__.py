"""Layers of a trained network on a GPU: channels-last, what lies between two convolutions fused into few kernels."""

from torch import nn

from ... import blocks
from ...blocks.swin3d import Swin3DBlock as PlainSwin3DBlock
from ...counterpart import Counterpart
from .convolution import Decoder, Encoder, ResidualBlock, Upsample
from .swin3d import Swin3DBlock, Swin3DLayer
from .temporal_fidelity_regulator import TemporalFidelityRegulator

__all__ = ['COUNTERPARTS', 'Decoder', 'Encoder', 'Swin3DBlock', 'Swin3DLayer', 'Upsample']

COUNTERPARTS: dict[type[nn.Module], type[Counterpart]] = {
    blocks.ResidualBlock: ResidualBlock,
    blocks.Upsample: Upsample,
    blocks.Swin3DLayer: Swin3DLayer,
    PlainSwin3DBlock: Swin3DBlock,
    blocks.TemporalFidelityRegulator: TemporalFidelityRegulator,
    blocks.Encoder: Encoder,
    blocks.Decoder: Decoder,
}
