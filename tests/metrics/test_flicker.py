"""Flicker, by hand and on a portrait in motion."""

from itertools import pairwise

import numpy as np
import pytest
from basicsr.metrics import calculate_metric, calculate_psnr

from pgtf_basicsr.metrics import Flicker, calculate_flicker
from pgtf_basicsr.metrics.flicker import motion_to_previous, warped_difference

from ..helpers.portraits import blurred, displaced, jittering, moving_portrait, noisy, times


def still(*levels):
    """A still, textured image, brighter or darker from frame to frame."""
    texture = np.random.default_rng(0).integers(60, 180, (8, 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([(texture + level).astype(np.uint8) for level in levels])


def test_value_by_hand():
    # Brightness goes 0, 10, 4 where the real one goes 0, 0, 0: changes of 10 and 6.
    assert calculate_flicker(still(0, 10, 4), still(0, 0, 0)) == pytest.approx(8)
    # What the real clip does as well is no flicker.
    assert calculate_flicker(still(0, 10, 4), still(0, 10, 0)) == pytest.approx((0 + 4) / 2)


def test_without_ground_truth_all_changes_count():
    assert calculate_flicker(still(0, 0, 0)) == 0
    assert calculate_flicker(still(0, 10, 4)) == pytest.approx(8, rel=0.05)


def test_motion_is_followed():
    clip, path = moving_portrait()
    positions, visible = motion_to_previous(clip[1], clip[0])
    assert visible.mean() > 0.9
    moved = np.abs(warped_difference(clip[1], clip[0], positions))[visible].mean()
    assert moved < 0.5 * np.abs(clip[1].astype(float) - clip[0])[visible].mean()
    # Where the landmarks were is known.
    now, before = (path.landmarks_at(time) for time in times()[[1, 0]])
    x, y = now.round().astype(int).T
    assert np.abs(positions[y, x] - (before + now.round() - now)).max() < 0.5


def test_what_was_covered_is_left_out():
    rng = np.random.default_rng(0)
    background, card = (
        rng.integers(0, 255, (16, 16, 3), dtype=np.uint8).repeat(6, axis=0).repeat(6, axis=1) for _ in range(2)
    )
    frames = []
    for left in (20, 28):
        frame = background.copy()
        frame[30:60, left : left + 30] = card[:30, :30]
        frames.append(frame)
    _, visible = motion_to_previous(frames[1], frames[0])
    # The strip that the card left free was not to be seen before.
    uncovered = visible[33:57, 21:27].mean()
    assert uncovered < 0.5 < visible[:20].mean()


def test_identical_clips_are_perfect():
    clip, _ = moving_portrait()
    assert calculate_flicker(clip, clip) == 0


@pytest.mark.parametrize(
    'distortion, strengths', [(blurred, (0.5, 1, 2)), (noisy, (4, 8, 16)), (jittering, (0.5, 1, 2))]
)
def test_worse_with_every_step(distortion, strengths):
    clip, _ = moving_portrait()
    clip = clip[:4]
    scores = [0, *(calculate_flicker(distortion(clip, strength), clip) for strength in strengths)]
    assert all(after > 1.05 * before for before, after in pairwise(scores)), scores


def test_jitter_counts_where_psnr_sees_no_difference():
    clip, _ = moving_portrait()
    steady, trembling = displaced(clip, 2), jittering(clip, 2)
    psnr = [np.mean([calculate_psnr(a, b, 0) for a, b in zip(moved, clip)]) for moved in (steady, trembling)]
    assert abs(psnr[0] - psnr[1]) < 1.5
    assert calculate_flicker(trembling, clip) > 2 * calculate_flicker(steady, clip)
    assert calculate_flicker(trembling) > calculate_flicker(clip)


def test_frame_by_frame_and_registered():
    clip, _ = moving_portrait()
    restored = noisy(clip, 8)
    flicker = Flicker()
    assert np.isnan(flicker.compute())
    for frames in zip(restored, clip):
        flicker.update(*frames)
    options = {'type': 'calculate_flicker', 'better': 'lower', 'channel_order': 'rgb'}
    assert calculate_metric({'img': restored, 'img2': clip}, options) == flicker.compute()
    assert calculate_flicker.specification.accumulator
    swapped = calculate_flicker(restored[..., ::-1], clip[..., ::-1])
    assert swapped == pytest.approx(flicker.compute())


def test_only_clips_of_one_shape():
    clip, _ = moving_portrait()
    with pytest.raises(ValueError, match='two clips of one shape'):
        calculate_flicker(clip, clip[:-1])
    with pytest.raises(ValueError, match='T of 2 or more'):
        calculate_flicker(clip[:1])


@pytest.mark.parametrize('height, width', [(16, 192), (192, 16), (16, 16)])
def test_smallest_frames(height, width):
    """OpenCV's optical flow ends the process on frames that are low and wide, such as 15 by 192."""
    clip = moving_portrait()[0][:2, :height, :width]
    assert calculate_flicker(clip) > 0
    for small in (clip[:, :15], clip[:, :, :15]):
        with pytest.raises(ValueError, match='16×16 pixels or more, got'):
            calculate_flicker(small)
