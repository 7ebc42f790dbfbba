"""Metrics, registered in BasicSR's METRIC_REGISTRY under their function names.

A registered function may have attributes that tell a test loop or another caller about it:

    per_clip        it takes whole clips (T, H, W, C)
    per_data_set    it takes all clips of a data set, and a mean over clips would be something else
    of_codes        it compares codes and not pictures: a model hands it logits and codes
    min_frames      function of the metric's options: returns how many frames a clip must have; without it, a single one
                    is enough
    prepare         function of the metric's options: raises UserError where a file or package is missing, returns the
                    `backends.Backend` behind the numbers, whose label belongs into every table
    accumulator     function of the metric's options: returns what takes a clip frame by frame, see `accumulators`
    combine         of one that is ``per_data_set``: function of what the accumulators of all clips have collected, a
                    list in the order of the clips; returns the number, and raises UserError for fewer than two clips

What a table has to know of a metric is in `columns`.
"""

from .code_accuracy import calculate_code_accuracy
from .columns import Column, column_of, label_of, order_of
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
    'Column',
    'Flicker',
    'IdentityConsistency',
    'IdentityDistance',
    'LandmarkDistance',
    'LandmarkJitter',
    'LandmarkMotionError',
    'ResidualPSNR',
    'VideoFeatures',
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
    'column_of',
    'embedding_angle',
    'frechet_distance',
    'frechet_video_distance',
    'label_of',
    'landmark_distance',
    'landmark_jitter',
    'landmark_motion_error',
    'msrl',
    'order_of',
]
