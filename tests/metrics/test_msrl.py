import math

import numpy as np
import pytest
from basicsr.metrics import calculate_metric

from pgtf_basicsr.metrics import calculate_msrl, msrl


def clip(*frames):
    """One-channel clip (T, H, W, 1) from nested lists."""
    return np.array(frames, dtype=np.uint8)[..., None]


def psnr(mse):
    return 10 * math.log10(255**2 / mse)


def test_value_by_hand():
    still = clip([[9, 9], [9, 9]], [[9, 9], [9, 9]])
    moved = clip([[9, 9], [9, 9]], [[13, 7], [9, 11]])
    # Changes 4, −2, 0, 2: MSE 6; block averages: 1 at n = 2 and 3.
    assert msrl(moved, still, scales=[1]) == pytest.approx(psnr(6))
    assert msrl(moved, still) == pytest.approx((psnr(6) + psnr(1) + psnr(1)) / 3)
    assert msrl(still, moved) == pytest.approx(msrl(moved, still))


def test_error_is_taken_over_the_whole_clip():
    still = clip([[0]], [[0]], [[0]])
    moved = clip([[0]], [[5]], [[6]])
    assert msrl(moved, still, scales=[1]) == pytest.approx(psnr((25 + 1) / 2))


def test_changes_may_be_negative():
    falling, rising = clip([[255]], [[0]]), clip([[0]], [[255]])
    assert msrl(falling, rising, scales=[1]) == pytest.approx(psnr(510**2))


def test_identical_changes_are_infinitely_good():
    rng = np.random.default_rng(0)
    video = rng.integers(0, 100, (4, 7, 5, 3), dtype=np.uint8)
    assert msrl(video, video) == math.inf
    assert msrl(video + 50, video) == math.inf


@pytest.mark.parametrize(
    'shape, shape2', [((1, 4, 4, 3), (1, 4, 4, 3)), ((4, 4, 3), (4, 4, 3)), ((3, 4, 4, 3), (2, 4, 4, 3))]
)
def test_only_clips_of_one_shape_are_compared(shape, shape2):
    with pytest.raises(ValueError, match='two clips of one shape'):
        msrl(np.zeros(shape, np.uint8), np.zeros(shape2, np.uint8))


def test_registered_for_whole_clips():
    still, moved = clip([[0]], [[0]]), clip([[0]], [[5]])
    options = {'type': 'calculate_msrl', 'scales': [1], 'better': 'higher'}
    assert calculate_metric({'img': moved, 'img2': still}, options) == pytest.approx(psnr(25))
    assert calculate_msrl.specification.accumulator
