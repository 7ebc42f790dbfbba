"""Models that BasicSR's training and test loop drives."""

from .face_parsing_model import FaceParsingModel
from .hifacegan_video_model import HiFaceGANVideoModel
from .method_comparison_model import MethodComparisonModel
from .pgtformer_model import PGTFormerModel
from .ts_vqgan_model import TSVQGANModel
from .with_losses import (
    EDVRModelWithLosses,
    ESRGANModelWithLosses,
    SRGANModelWithLosses,
    SRModelWithLosses,
    VideoModelWithLosses,
    VideoRecurrentGANModelWithLosses,
    VideoRecurrentModelWithLosses,
    WithLosses,
)

__all__ = [
    'EDVRModelWithLosses',
    'ESRGANModelWithLosses',
    'FaceParsingModel',
    'HiFaceGANVideoModel',
    'MethodComparisonModel',
    'PGTFormerModel',
    'SRGANModelWithLosses',
    'SRModelWithLosses',
    'TSVQGANModel',
    'VideoModelWithLosses',
    'VideoRecurrentGANModelWithLosses',
    'VideoRecurrentModelWithLosses',
    'WithLosses',
]
