"""Metrics, registered in BasicSR's METRIC_REGISTRY under their function names.

Each has its specification beside its function, see `config.metric_specification`.
"""

from . import basicsr_specifications
from .code_accuracy import calculate_code_accuracy
from .flicker import Flicker, calculate_flicker
from .frechet import VideoFeatures, calculate_fvd, frechet_distance, frechet_video_distance
from .identity import (
    IdentityConsistency,
    IdentityDistance,
    calculate_deg,
    calculate_identity_consistency,
    embedding_angle,
)
from .landmarks import (
    LandmarkDistance,
    LandmarkJitter,
    LandmarkMotionError,
    calculate_landmark_jitter,
    calculate_lmd,
    calculate_tlme,
    landmark_distance,
    landmark_jitter,
    landmark_motion_error,
)
from .mean_iou import calculate_mean_iou
from .msrl import ResidualPSNR, calculate_msrl, msrl
from .perceptual import calculate_lpips

__all__ = [
    'Flicker',
    'IdentityConsistency',
    'IdentityDistance',
    'LandmarkDistance',
    'LandmarkJitter',
    'LandmarkMotionError',
    'ResidualPSNR',
    'VideoFeatures',
    'basicsr_specifications',
    'calculate_code_accuracy',
    'calculate_deg',
    'calculate_flicker',
    'calculate_fvd',
    'calculate_identity_consistency',
    'calculate_landmark_jitter',
    'calculate_lmd',
    'calculate_lpips',
    'calculate_mean_iou',
    'calculate_msrl',
    'calculate_tlme',
    'embedding_angle',
    'frechet_distance',
    'frechet_video_distance',
    'landmark_distance',
    'landmark_jitter',
    'landmark_motion_error',
    'msrl',
]
