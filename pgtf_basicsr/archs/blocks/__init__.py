"""The blocks that the networks are made of; usable on their own."""

from .adain import adain
from .autoencoder import Decoder, Encoder
from .code_predictor import CodePredictor, PredictorLayer
from .codebook import Codebook
from .residual import Downsample, ResidualBlock, Upsample
from .swin3d import Swin3DLayer
from .temporal_fidelity_regulator import TemporalFidelityRegulator

__all__ = [
    'CodePredictor',
    'Codebook',
    'Decoder',
    'Downsample',
    'Encoder',
    'PredictorLayer',
    'ResidualBlock',
    'Swin3DLayer',
    'TemporalFidelityRegulator',
    'Upsample',
    'adain',
]
