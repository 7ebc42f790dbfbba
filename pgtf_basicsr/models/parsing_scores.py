"""Scores of predicted labels, and images of them."""

import colorsys
from typing import Any

import numpy as np

from ..metrics.mean_iou import class_ious, confusion_matrix, majority_confusion, mean_iou, pixel_accuracy
from ..ranks import gathered

__all__ = ['ParsingScores', 'color_labels', 'parsing_strip']

METRICS = {'mean_iou': mean_iou, 'pixel_accuracy': pixel_accuracy}


class ParsingScores:
    """Mean IoU and pixel accuracy over all pixels of a dataset, and those of predicting its most frequent class.

    Args:
        data_set (str): Name of the dataset.
        num_classes (int): Number of classes.
    """

    # Name of the second of two scores.
    baseline = 'majority class'

    def __init__(self, data_set: str, num_classes: int) -> None:
        self.data_set = data_set
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self.num_images = 0

    def __len__(self) -> int:
        return self.num_images

    def add(self, prediction: np.ndarray, truth: np.ndarray) -> None:
        """Count the pixels of an image; labels are (H, W) integers."""
        self.confusion += confusion_matrix(prediction, truth, len(self.confusion))
        self.num_images += 1

    def gathered(self) -> 'ParsingScores':
        """Gather the scores of all ranks; every rank must call it."""
        scores = ParsingScores(self.data_set, len(self.confusion))
        for confusion, num_images in gathered((self.confusion, self.num_images)):
            scores.confusion += confusion
            scores.num_images += num_images
        return scores

    def directions(self) -> dict[str, str]:
        """Return {metric: 'higher' or 'lower'}, whichever is better."""
        return dict.fromkeys(METRICS, 'higher')

    def means(self) -> dict[str, tuple[float, float]]:
        """Return {metric: (predicted, majority class)}."""
        majority = majority_confusion(self.confusion)
        return {name: (metric(self.confusion), metric(majority)) for name, metric in METRICS.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain numbers; the IoU of a class that does not occur is None."""
        ious = class_ious(self.confusion).tolist()
        return {
            'mean': {name: dict(zip(('predicted', 'majority'), pair)) for name, pair in self.means().items()},
            'iou_of_class': [None if np.isnan(iou) else iou for iou in ious],
        }


def color_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Color labels (H, W) as an image (H, W, 3) uint8 RGB: a colour for each class, black for background."""
    hues = [0.618 * label % 1 for label in range(num_classes)]  # the golden section: neighbours differ much
    colors = np.array([colorsys.hsv_to_rgb(hue, 0.75, 1) for hue in hues]) * 255
    colors[0] = 0
    return colors.round().astype(np.uint8)[labels]


def parsing_strip(image: np.ndarray, prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Put image | prediction | truth side by side; (H, W, 3) uint8 and twice (H, W) -> (H, 3 W, 3) uint8."""
    return np.concatenate([image, color_labels(prediction, num_classes), color_labels(truth, num_classes)], axis=1)
