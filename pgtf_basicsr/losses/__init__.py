"""Losses, registered in BasicSR's LOSS_REGISTRY under their class names."""

from .adaptive_gan_loss import AdaptiveGANLoss
from .code_cross_entropy_loss import CodeCrossEntropyLoss
from .code_feature_loss import CodeFeatureLoss
from .code_focal_loss import CodeFocalLoss
from .combined_loss import CombinedLoss, PerceptualPair
from .feature_matching_loss import FeatureMatchingLoss
from .gradient_l1_loss import GradientL1Loss
from .lpips_loss import LPIPSLoss
from .msrl_loss import MSRLLoss
from .ohem_cross_entropy_loss import OhemCrossEntropyLoss
from .temporal_lpips_loss import TemporalLPIPSLoss
from .vgg_perceptual_loss import VGGPerceptualLoss

__all__ = [
    'AdaptiveGANLoss',
    'CodeCrossEntropyLoss',
    'CodeFeatureLoss',
    'CodeFocalLoss',
    'CombinedLoss',
    'FeatureMatchingLoss',
    'GradientL1Loss',
    'LPIPSLoss',
    'MSRLLoss',
    'OhemCrossEntropyLoss',
    'PerceptualPair',
    'TemporalLPIPSLoss',
    'VGGPerceptualLoss',
]
