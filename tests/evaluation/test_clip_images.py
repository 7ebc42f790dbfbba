"""Pictures of a clip, of frames whose pixels are known."""

import numpy as np
import pytest

from pgtf_basicsr.evaluation.clip_images import AMPLIFICATION, CAPTIONS, SLICE_FRAMES, SLICE_HEIGHT, ClipImages


def random_clip(length, height=32, width=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (length, height, width, 3), np.uint8)


def pictures_of(restored, degraded=None, gt=None):
    pictures = ClipImages(len(restored))
    for index, frame in enumerate(restored):
        pictures.update(frame, *(None if clip is None else clip[index] for clip in (gt, degraded)))
    return pictures


@pytest.mark.parametrize('length, shown', [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (8, [0, 4, 7])])
def test_frames_are_the_first_middle_and_last_side_by_side(length, shown):
    clip = np.arange(length, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    frames = pictures_of(clip + 20, clip + 10, clip + 30).frames()
    assert frames.shape == (4 * len(shown), 18, 3)
    assert frames[::4, ::6, 0].tolist() == [[index + 10, index + 20, index + 30] for index in shown]


def test_smaller_degraded_frames_are_enlarged_by_repetition():
    degraded = random_clip(1, 8, 5)
    frames = pictures_of(random_clip(1), degraded).frames()
    np.testing.assert_array_equal(frames[:, :20], degraded[0].repeat(4, axis=0).repeat(4, axis=1))


def test_columns_that_do_not_exist_are_skipped():
    restored, gt = random_clip(9), random_clip(9, seed=1)
    np.testing.assert_array_equal(pictures_of(restored).frames(), np.concatenate(restored[[0, 4, 8]]))
    pictures = pictures_of(restored, gt=gt)
    np.testing.assert_array_equal(pictures.frames()[:, 20:], np.concatenate(gt[[0, 4, 8]]))
    assert pictures.slices().shape == (2 * 9, 2 * 20, 3)
    assert pictures_of(restored).slices().shape == (9, 20, 3)


def test_slices_are_the_row_at_the_eyes_of_frame_after_frame():
    # FFHQ's template has the eyes at 240 of 512 pixels: row 15 of 32.
    degraded, restored, gt = np.zeros((3, 20, 32, 6, 3), np.uint8)
    for time in range(20):
        degraded[time, 15, 1], restored[time, 15, 2], gt[time, 15, 3] = time, time + 50, time + 100
    slices = pictures_of(restored, degraded, gt).slices()[:20]
    expected = np.zeros((20, 18), int)
    expected[:, 1], expected[:, 6 + 2], expected[:, 12 + 3] = (np.arange(20) + start for start in (0, 50, 100))
    np.testing.assert_array_equal(slices, expected[..., None].repeat(3, axis=-1))
    assert int(SLICE_HEIGHT * 512) == 240


def test_flicker_gives_stripes_in_the_difference_and_an_identical_clip_none():
    gt = np.full((20, 16, 12, 3), 100, np.uint8)
    flicker = np.where(np.arange(20) % 2, 5, -3)
    restored = (gt + flicker[:, None, None, None]).astype(np.uint8)
    _, difference = np.split(pictures_of(restored, gt, gt).slices(), 2)
    degraded, restored, truth = np.split(difference, 3, axis=1)
    np.testing.assert_array_equal(restored, (AMPLIFICATION * np.abs(flicker))[:, None, None].repeat(12, 1).repeat(3, 2))
    assert not degraded.any() and not truth.any()


def test_differences_do_not_wrap_around():
    black, white = np.zeros((2, 16, 4, 3), np.uint8), np.full((2, 16, 4, 3), 255, np.uint8)
    assert (pictures_of(black, gt=white).slices()[-1, :4] == 255).all()


def test_short_clips_have_several_lines_a_frame():
    restored = random_clip(3, height=48)
    slices = pictures_of(restored).slices()
    np.testing.assert_array_equal(slices, restored[:, 22].repeat(8, axis=0))


def test_memory_does_not_grow_with_the_clip():
    frames = np.zeros((SLICE_FRAMES + 50, 4, 4, 3), np.uint8)
    frames[SLICE_FRAMES:] = 255
    pictures = pictures_of(frames, gt=frames)
    assert pictures.slices().shape == (2 * SLICE_FRAMES, 8, 3) and not pictures.slices().any()
    assert pictures.frames().shape == (3 * 4, 8, 3)
    held = [array for kept in vars(pictures).values() if isinstance(kept, list) for array in kept]
    # Lines that were views would hold the frames that they were taken from.
    assert all(array.base is None for array in held)


def test_captions_tell_what_the_pictures_hide():
    assert f'first {SLICE_FRAMES} frames' in CAPTIONS['slices'] and f'times {AMPLIFICATION}' in CAPTIONS['slices']
    assert 'downward' in CAPTIONS['slices']
