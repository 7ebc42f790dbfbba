import pytest
import torch

from pgtf_basicsr.losses import GradientL1Loss

TARGET = torch.zeros(1, 2, 1, 2, 2)
# Frame 0 is black, frame 1 is [[4, 1], [2, 0]].
PRED = torch.tensor([[[[[0.0, 0.0], [0.0, 0.0]]], [[[4.0, 1.0], [2.0, 0.0]]]]])


@pytest.mark.parametrize(
    'weights, expected',
    [
        ((0, 0, 0), 7 / 8),  # pixels
        ((1, 0, 0), 7 / 8 + 7 / 4),  # four differences in time: 4, 1, 2, 0
        ((0, 1, 0), 7 / 8 + 5 / 4),  # along x: 0, 0, 3, 2
        ((0, 0, 1), 7 / 8 + 3 / 4),  # along y: 0, 0, 2, 1
    ],
)
def test_each_term_by_hand(weights, expected):
    assert GradientL1Loss(*weights)(PRED, TARGET).item() == pytest.approx(expected)


def test_default_weights_are_the_published_numbers():
    expected = 7 / 8 + 0.2 * 7 / 4 + 0.05 * 5 / 4 + 0.05 * 3 / 4
    assert GradientL1Loss()(PRED, TARGET).item() == pytest.approx(expected)


def test_needs_two_frames():
    with pytest.raises(ValueError, match='T of 2 or more'):
        GradientL1Loss()(PRED[:, :1], TARGET[:, :1])
