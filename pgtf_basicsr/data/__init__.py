"""Datasets, their storage, sampling and degradation."""

from . import protocols  # noqa: F401 - a kind of option files
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
