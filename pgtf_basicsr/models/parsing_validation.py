"""Scores of predicted labels, and pictures of them."""

import colorsys

import numpy as np

from ..metrics.mean_iou import class_ious, confusion_matrix, majority_confusion, mean_iou, pixel_accuracy
from ..ranks import gathered

__all__ = ['ParsingScores', 'color_labels', 'parsing_strip']

METRICS = {'mean_iou': mean_iou, 'pixel_accuracy': pixel_accuracy}


class ParsingScores:
    """Mean IoU and pixel accuracy over all pixels of a data set, and those of predicting its most frequent class.

    Args:
        data_set (str): Name of the data set.
        num_classes (int): Number of classes.
    """

    # What the second of two scores is of.
    baseline = 'majority class'

    def __init__(self, data_set, num_classes):
        self.data_set = data_set
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        self.pictures = 0

    def __len__(self):
        return self.pictures

    def add(self, prediction, truth):
        """Count the pixels of a picture; labels are (H, W) whole numbers."""
        self.confusion += confusion_matrix(prediction, truth, len(self.confusion))
        self.pictures += 1

    def gathered(self):
        """Scores of all ranks; every rank must call it."""
        scores = ParsingScores(self.data_set, len(self.confusion))
        for confusion, pictures in gathered((self.confusion, self.pictures)):
            scores.confusion += confusion
            scores.pictures += pictures
        return scores

    def directions(self):
        """{metric: 'higher' or 'lower'}, whichever is better."""
        return dict.fromkeys(METRICS, 'higher')

    def means(self):
        """{metric: (predicted, majority class)}."""
        majority = majority_confusion(self.confusion)
        return {name: (metric(self.confusion), metric(majority)) for name, metric in METRICS.items()}

    def as_dict(self):
        """Scores as plain numbers; the IoU of a class that is nowhere is None."""
        ious = class_ious(self.confusion).tolist()
        return {
            'mean': {name: dict(zip(('predicted', 'majority'), pair)) for name, pair in self.means().items()},
            'iou_of_class': [None if np.isnan(iou) else iou for iou in ious],
        }


def color_labels(labels, num_classes):
    """Labels (H, W) as a picture (H, W, 3) uint8 RGB, each class in a colour of its own and background in black."""
    hues = [0.618 * label % 1 for label in range(num_classes)]  # the golden section: neighbours differ much
    colors = np.array([colorsys.hsv_to_rgb(hue, 0.75, 1) for hue in hues]) * 255
    colors[0] = 0
    return colors.round().astype(np.uint8)[labels]


def parsing_strip(image, prediction, truth, num_classes):
    """Put image | prediction | truth side by side; (H, W, 3) uint8 and twice (H, W) -> (H, 3 W, 3) uint8."""
    return np.concatenate([image, color_labels(prediction, num_classes), color_labels(truth, num_classes)], axis=1)
