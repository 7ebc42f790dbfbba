"""Datasets, degradation, alignment, and the sample data of the quickstart."""
from .alignment import (PlacementRanges, align_to_template, face_template, flip_landmarks,
                                         warp)
from .celebamask_dataset import CelebAMaskHQDataset
from .degradation import Degradation, DegradationParameters, DegradationRanges
from .sample_data import SampleSummary, write_sample_data, write_video_data
from .sample_masks import write_sample_masks
from .vfhq_dataset import VFHQDataset

__all__ = [
    'CelebAMaskHQDataset', 'Degradation', 'DegradationParameters', 'DegradationRanges',
    'PlacementRanges', 'SampleSummary', 'VFHQDataset', 'align_to_template', 'face_template',
    'flip_landmarks', 'warp', 'write_sample_data', 'write_sample_masks', 'write_video_data',
]
