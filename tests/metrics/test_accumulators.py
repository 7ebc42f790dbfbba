"""Metrics of clips take them frame by frame, and no more memory for a long one."""
import pickle

import numpy as np
import pytest

from pgtf_basicsr.metrics import (Flicker, FrechetVideoDistance, IdentityConsistency, IdentityDistance,
                                  LandmarkDistance, LandmarkJitter, LandmarkMotionError, ResidualPSNR)

from .conftest import moving_portrait, noisy


class MeanColour:
    """Stands for all networks: what it sees is the mean colour."""

    def locate(self, frame):
        return frame.mean(axis=(0, 1))[None, :2]

    def embed(self, frame, landmarks):
        return frame.mean(axis=(0, 1))

    def __call__(self, frames):
        return frames.mean(dim=(0, 2, 3)).numpy()


@pytest.mark.parametrize('kind', [Flicker, ResidualPSNR, LandmarkDistance, LandmarkMotionError, IdentityDistance])
def test_memory_does_not_grow_with_the_clip(kind):
    accumulator = kind() if kind in (Flicker, ResidualPSNR) else kind(MeanColour())
    clip, _ = moving_portrait()
    sizes = []
    for frames in zip(noisy(clip, 5), clip):
        accumulator.update(*frames)
        sizes.append(len(pickle.dumps(accumulator)))
    assert sizes[-1] < sizes[1] + 100
    assert accumulator.compute() > 0


@pytest.mark.parametrize('kind', [LandmarkJitter, IdentityConsistency])
def test_memory_does_not_grow_without_ground_truth(kind):
    accumulator = kind(MeanColour())
    sizes = []
    for frame in moving_portrait()[0]:
        accumulator.update(frame)
        sizes.append(len(pickle.dumps(accumulator)))
    assert sizes[-1] < sizes[2] + 100
    assert accumulator.compute() > 0


def test_memory_does_not_grow_with_the_data_set():
    distance = FrechetVideoDistance(MeanColour(), window=10)
    sizes = []
    for clip in np.random.default_rng(0).integers(0, 255, (3, 24, 8, 8, 3), dtype=np.uint8):
        for frame in clip:
            distance.update(frame, frame)
        distance.end_clip()
        sizes.append(len(pickle.dumps(distance)))
    assert sizes[-1] < sizes[0] + 100
    assert distance.compute() == pytest.approx(0, abs=1e-9)
