"""What was found in the last few frames is not looked for again."""

import weakref

import numpy as np
import pytest

from pgtf_basicsr.faces import detection
from pgtf_basicsr.faces.detection import CenterFaceDetector
from pgtf_basicsr.frame_cache import of_recent_frames
from pgtf_basicsr.metrics import calculate_flicker, calculate_landmark_jitter, calculate_lmd, calculate_tlme

from .helpers.portraits import blurred, moving_portrait, noisy


class CountingDetector(CenterFaceDetector):
    """CenterFace, and how often it was asked."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def detect(self, frame):
        self.calls += 1
        return super().detect(frame)


@pytest.fixture
def detector(monkeypatch):
    counting = CountingDetector()
    monkeypatch.setattr(detection, '_centerface', lambda: counting)
    return counting


def scores(clips, give):
    """Scores of two restored clips by four metrics, frame by frame; ``give`` makes what a metric gets of a frame."""
    metrics = [calculate_lmd, calculate_tlme, calculate_landmark_jitter, calculate_flicker]
    accumulators = [[metric.specification.accumulator(landmarks='centerface') for metric in metrics] for _ in clips[:2]]
    for *restored, gt in zip(*clips):
        for side, frame in zip(accumulators, restored):
            for metric, accumulator in zip(metrics, side):
                accumulator.update(*(map(give, [frame] if metric is calculate_landmark_jitter else [frame, gt])))
    return [accumulator.compute() for side in accumulators for accumulator in side]


def test_a_frame_is_looked_at_once_and_scores_stay_the_same(detector):
    clip = moving_portrait()[0][:3]
    clips = noisy(clip, 8), blurred(clip, 2), clip
    once = scores(clips, lambda frame: frame)
    assert detector.calls == 3 * len(clip)
    # Copies are looked at again, by three metrics of landmarks.
    assert scores(clips, np.copy) == once
    assert detector.calls == (3 + 2 * 5) * len(clip)


def test_no_more_than_the_last_few_frames_are_kept():
    calls = []

    @of_recent_frames(3)
    def brightness(frame, scale):
        calls.append(scale)
        return scale * frame.mean()

    frames = [np.full((4, 4), level) for level in range(6)]
    scale = 2
    assert [brightness(frame, scale) for frame in frames for _ in range(2)] == list(np.repeat(np.arange(6), 2) * 2.0)
    assert len(calls) == 6
    # The first is forgotten, and of an equal array nothing is known.
    brightness(frames[-1].copy(), scale)
    brightness(frames[0], scale)
    assert len(calls) == 8
    kept = [weakref.ref(frame) for frame in frames]
    del frames[:]
    assert [frame() is not None for frame in kept] == [True, False, False, False, False, True]
