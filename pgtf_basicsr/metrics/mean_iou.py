"""How well pixels are labelled: mean intersection over union, pixel accuracy."""

from typing import Any

import numpy as np
from basicsr.utils.registry import METRIC_REGISTRY

from ..argument_types import Count
from ..config.metric_specification import MetricSpecification, specified_by
from .unknown_options import refuse_unknown_options

__all__ = ['calculate_mean_iou', 'class_ious', 'confusion_matrix', 'majority_confusion', 'mean_iou', 'pixel_accuracy']


@METRIC_REGISTRY.register()
@specified_by(MetricSpecification(title='mIoU'))
def calculate_mean_iou(prediction: np.ndarray, truth: np.ndarray, num_classes: Count = 19, **kwargs: Any) -> float:
    """Mean intersection over union of labels, over the classes that are in the prediction or in the truth.

    For a whole dataset, it is :func:`mean_iou` of the sum of the images' confusion matrices, not the mean over images.

    Args:
        prediction, truth (ndarray): Labels of one shape, integers in [0, num_classes).
        num_classes (int): Number of classes; 19 are those of CelebAMask-HQ.

    Returns:
        float: In [0, 1], higher is better.

    Raises:
        ValueError: Shapes disagree, or a label is out of range.
    """
    refuse_unknown_options(calculate_mean_iou, kwargs)
    return mean_iou(confusion_matrix(prediction, truth, num_classes))


def confusion_matrix(prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by true and predicted class.

    Args:
        prediction, truth (ndarray): Labels of one shape, integers in [0, num_classes).
        num_classes (int): Number of classes.

    Returns:
        ndarray: (num_classes, num_classes) int64; row: true class, column: predicted class.

    Raises:
        ValueError: Shapes disagree, or a label is out of range.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    if prediction.shape != truth.shape:
        raise ValueError(f'prediction and truth must have the same shape, got {prediction.shape} and {truth.shape}')
    for name, labels in (('prediction', prediction), ('truth', truth)):
        if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
            raise ValueError(
                f'labels of the {name} must be from 0 to {num_classes - 1}, got {labels.min()} to {labels.max()}'
            )
    pairs = truth.astype(np.int64).ravel() * num_classes + prediction.ravel()
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_ious(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class; nan for those in neither prediction nor truth."""
    intersection = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
    return np.where(union > 0, intersection / np.maximum(union, 1), np.nan)


def mean_iou(confusion: np.ndarray) -> float:
    """Mean of :func:`class_ious` over the classes that are there; nan for a matrix without pixels."""
    ious = class_ious(confusion)
    present = ~np.isnan(ious)
    return float(ious[present].mean()) if present.any() else float('nan')


def pixel_accuracy(confusion: np.ndarray) -> float:
    """Share of pixels whose class is predicted; nan for a matrix without pixels."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else float('nan')


def majority_confusion(confusion: np.ndarray) -> np.ndarray:
    """Confusion matrix, for the same truth, of predicting its most frequent class everywhere."""
    counts = confusion.sum(axis=1)
    majority = np.zeros_like(confusion)
    majority[:, counts.argmax()] = counts
    return majority
