import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.losses import MSRLLoss
from pgtf_basicsr.losses.msrl_loss import temporal_difference


def clip(*frames):
    """One-channel video (1, T, 1, H, W) from nested lists."""
    return torch.tensor(frames).unsqueeze(1).unsqueeze(0)


def test_value_by_hand():
    target = clip([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]])
    pred = clip([[0.0, 0.0], [0.0, 0.0]], [[1.0, -1.0], [0.0, 1.0]])
    # n = 1: mean of 1, 1, 0, 1; n = 2 and 3: the one block averages to 1/4.
    assert MSRLLoss(scales=[1])(pred, target).item() == pytest.approx(3 / 4)
    assert MSRLLoss(scales=[2])(pred, target).item() == pytest.approx(1 / 4)
    assert MSRLLoss()(pred, target).item() == pytest.approx((3 / 4 + 1 / 4 + 1 / 4) / 3)


def test_only_changes_count():
    torch.manual_seed(0)
    video = torch.rand(1, 3, 3, 7, 5)
    still_error = torch.rand(1, 1, 3, 7, 5)
    assert MSRLLoss()(video + still_error, video).item() == pytest.approx(0, abs=1e-6)


def test_blocks_at_the_border_average_what_is_left():
    video = clip([[0.0] * 5], [[1.0, 2.0, 3.0, 4.0, 5.0]])
    assert temporal_difference(video, 3).flatten().tolist() == [2.0, 4.5]


@pytest.mark.parametrize('scale', [1, 2, 3, 4])
def test_difference_is_that_of_downsampled_frames(scale):
    torch.manual_seed(0)
    video = torch.rand(2, 4, 3, 12, 24)
    small = video.unflatten(-1, (-1, scale)).unflatten(-3, (-1, scale)).mean(dim=(-1, -3))
    torch.testing.assert_close(temporal_difference(video, scale), small[:, 1:] - small[:, :-1])


@pytest.mark.parametrize('shape', [(1, 1, 3, 8, 8), (4, 3, 8, 8)])
def test_needs_two_frames(shape):
    with pytest.raises(ValueError, match='T of 2 or more'):
        MSRLLoss()(torch.rand(shape), torch.rand(shape))


@pytest.mark.parametrize('scales', [[], [0, 1], [1.5]])
def test_bad_scales_are_the_users_mistake(scales):
    with pytest.raises(UserError, match='scales'):
        MSRLLoss(scales=scales)
