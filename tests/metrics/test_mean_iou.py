"""Scores of labels, against hand-computed cases and sets of pixels."""

import numpy as np
import pytest

from pgtf_basicsr.metrics import calculate_mean_iou
from pgtf_basicsr.metrics.mean_iou import class_ious, confusion_matrix, majority_confusion, mean_iou, pixel_accuracy

TRUTH = np.array([[0, 0, 0, 1], [0, 0, 1, 1]])
PREDICTION = np.array([[0, 0, 1, 1], [0, 0, 0, 2]])


def test_a_case_computed_by_hand():
    confusion = confusion_matrix(PREDICTION, TRUTH, 4)
    assert confusion.tolist() == [[4, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # Class 0: 4 of 6; class 1: 1 of 4; class 2 is predicted alone: 0; class 3 is nowhere.
    assert np.allclose(class_ious(confusion), [4 / 6, 1 / 4, 0, np.nan], equal_nan=True)
    assert mean_iou(confusion) == pytest.approx((4 / 6 + 1 / 4 + 0) / 3)
    assert calculate_mean_iou(PREDICTION, TRUTH, num_classes=4) == mean_iou(confusion)
    assert pixel_accuracy(confusion) == pytest.approx(5 / 8)


def test_the_most_frequent_class_everywhere():
    majority = majority_confusion(confusion_matrix(PREDICTION, TRUTH, 4))
    assert np.array_equal(majority, confusion_matrix(np.zeros_like(TRUTH), TRUTH, 4))
    assert mean_iou(majority) == pytest.approx(5 / 8 / 2)


def test_against_sets_of_pixels():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 5, (2, 3, 17, 11))
    ious = []
    for label in range(5):
        actual, predicted = (set(np.flatnonzero(labels == label).tolist()) for labels in (truth, prediction))
        ious.append(len(actual & predicted) / len(actual | predicted))
    assert calculate_mean_iou(prediction, truth, num_classes=19) == pytest.approx(np.mean(ious))
    # Images add up to the dataset.
    parts = sum(confusion_matrix(p, t, 19) for p, t in zip(prediction, truth))
    assert np.array_equal(parts, confusion_matrix(prediction, truth, 19))


def test_small_integers_do_not_overflow():
    labels = np.full((4, 4), 18, np.uint8)
    assert confusion_matrix(labels, labels, 19)[18, 18] == 16


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match='same shape'):
        confusion_matrix(PREDICTION, TRUTH[:1], 4)
    with pytest.raises(ValueError, match='labels of the prediction must be from 0 to 1, got 0 to 2'):
        confusion_matrix(PREDICTION, TRUTH, 2)
    with pytest.raises(ValueError, match='labels of the truth'):
        confusion_matrix(PREDICTION, -TRUTH, 4)
    assert np.isnan(mean_iou(np.zeros((3, 3), int))) and np.isnan(pixel_accuracy(np.zeros((3, 3), int)))
