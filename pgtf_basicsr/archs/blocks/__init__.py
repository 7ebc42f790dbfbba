"""The blocks that the networks are made of; usable on their own, in any PyTorch project."""

from .adain import adain
from .autoencoder import Decoder, Encoder
from .code_predictor import CodePredictor, PredictorLayer
from .codebook import Codebook
from .discriminator import VQGANDiscriminator
from .learned_position import LearnedPosition
from .residual import Downsample, ResidualBlock, Upsample
from .swin3d import Swin3DLayer
from .temporal_fidelity_regulator import FidelityRegulator, SpatialFidelityRegulator, TemporalFidelityRegulator

# As others call it.
VectorQuantizer = Codebook

__all__ = [
    'CodePredictor',
    'Codebook',
    'Decoder',
    'Downsample',
    'Encoder',
    'FidelityRegulator',
    'LearnedPosition',
    'PredictorLayer',
    'ResidualBlock',
    'SpatialFidelityRegulator',
    'Swin3DLayer',
    'TemporalFidelityRegulator',
    'Upsample',
    'VQGANDiscriminator',
    'VectorQuantizer',
    'adain',
]
