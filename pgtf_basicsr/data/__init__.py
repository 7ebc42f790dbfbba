"""Datasets, their storage, sampling and degradation."""

from .celebamask_dataset import CelebAMaskHQDataset
from .degradation import Degradation, DegradationParameters, DegradationRanges
from .placement import PlacementRanges
from .vfhq_dataset import VFHQDataset
from .vfhq_video_test_dataset import VFHQVideoTestDataset

__all__ = [
    'CelebAMaskHQDataset',
    'Degradation',
    'DegradationParameters',
    'DegradationRanges',
    'PlacementRanges',
    'VFHQDataset',
    'VFHQVideoTestDataset',
]
