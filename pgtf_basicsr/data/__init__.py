"""Datasets, degradation, alignment, and the sample data of the quickstart."""
from .alignment import (PlacementRanges, align_to_template, face_template, flip_landmarks,
                                         warp)
from .degradation import Degradation, DegradationParameters, DegradationRanges
from .sample_data import SampleSummary, write_sample_data, write_video_data
from .vfhq_dataset import VFHQDataset

__all__ = [
    'Degradation', 'DegradationParameters', 'DegradationRanges', 'PlacementRanges', 'SampleSummary',
    'VFHQDataset', 'align_to_template', 'face_template', 'flip_landmarks', 'warp', 'write_sample_data',
    'write_video_data',
]
