"""Scores of restored clips, and pictures that compare them."""
from collections import OrderedDict

import numpy as np
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY
from torch import distributed as dist

from ..errors import UserError

__all__ = ['ClipScores', 'comparison_strip', 'prepare_metrics', 'to_image']

STRIP_ROWS = 3


class ClipScores:
    """Metrics of clips, of the restored frames and, for comparison, of the degraded ones.

    Args:
        metrics (dict): The options' ``val.metrics``: {name: dict(type=..., **arguments)}.
    """

    # What the second of two scores is of.
    baseline = 'degraded'

    def __init__(self, metrics):
        self.metrics = metrics
        self.clips = OrderedDict()

    def __len__(self):
        return len(self.clips)

    def directions(self):
        """{metric: 'higher' or 'lower'}, whichever is better."""
        return {name: options.get('better', 'higher') for name, options in self.metrics.items()}

    def add(self, clip, restored, degraded, gt):
        """Score a clip; frames are (T, H, W, 3) uint8 arrays, RGB."""
        if degraded.shape != gt.shape:
            # BasicSR's metrics compare equal sizes; a small LQ has no score of its own.
            degraded = None
        self.clips[clip] = {
            name: (score(options, restored, gt), score(options, degraded, gt))
            for name, options in self.metrics.items()
        }

    def gathered(self):
        """Scores of all ranks, in the order of the clips' names; every rank must call it."""
        if dist.is_initialized():
            parts = [None] * dist.get_world_size()
            dist.all_gather_object(parts, self.clips)
            merged = {clip: values for part in parts for clip, values in part.items()}
        else:
            merged = self.clips
        scores = ClipScores(self.metrics)
        scores.clips = OrderedDict(sorted(merged.items()))
        return scores

    def means(self):
        """{metric: (restored, degraded)}, averaged over clips, as BasicSR does for videos."""
        return {
            name: tuple(float(np.mean([clip[name][i] for clip in self.clips.values()])) for i in (0, 1))
            for name in self.metrics
        }

    def as_dict(self):
        """Means and clips as plain numbers: {'mean': {metric: {'restored', 'degraded'}}, 'clips': {...}}."""

        def named(values):
            return {name: dict(zip(('restored', 'degraded'), map(float, pair))) for name, pair in values.items()}

        return {'mean': named(self.means()), 'clips': {clip: named(values) for clip, values in self.clips.items()}}


def prepare_metrics(metrics):
    """Make sure, before anything is restored, that all files behind the metrics are there.

    Args:
        metrics (dict): The options' ``val.metrics``.

    Returns:
        dict: {name: the `metrics.backends.Backend` behind it} of those that have one.

    Raises:
        UserError: A file is missing, or a metric is not one of clips; the message says which.
    """
    backends = {}
    for name, options in metrics.items():
        metric = METRIC_REGISTRY.get(options['type'])
        if getattr(metric, 'per_data_set', False):
            raise UserError(f'val.metrics.{name}: {options["type"]} is a number of a whole data set; val.metrics '
                            'scores clips, one by one')
        if hasattr(metric, 'prepare'):
            try:
                backends[name] = metric.prepare(**options)
            except UserError as error:
                raise UserError(f'val.metrics.{name}: {error}') from error
    return backends


def score(options, frames, gt):
    """Score of a clip: the metric of the whole clip if it is one of those, or the mean over its frames."""
    if frames is None:
        return float('nan')
    metric = METRIC_REGISTRY.get(options['type'])
    if metric.__module__.partition('.')[0] != __name__.partition('.')[0]:
        # BasicSR's own, and with them others', take their frames for BGR.
        frames, gt = frames[..., ::-1], gt[..., ::-1]
    if getattr(metric, 'per_clip', False):
        return calculate_metric({'img': frames, 'img2': gt}, options)
    return float(np.mean([calculate_metric({'img': a, 'img2': b}, options) for a, b in zip(frames, gt)]))


def to_image(frames):
    """Float tensor (..., 3, H, W) in [0, 1] to uint8 array (..., H, W, 3); RGB stays RGB."""
    return (frames.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


def comparison_strip(degraded, restored, gt=None):
    """Put degraded | restored | ground truth side by side for the first, middle and last frame.

    Args:
        degraded, restored, gt (ndarray): (T, H, W, 3) uint8; the degraded ones may be smaller.

    Returns:
        ndarray: (rows * H, 2 or 3 times W, 3) uint8.
    """
    factor = restored.shape[1] // degraded.shape[1]
    degraded = degraded.repeat(factor, axis=1).repeat(factor, axis=2)
    columns = [degraded, restored] if gt is None else [degraded, restored, gt]
    rows = sorted({0, len(restored) // 2, len(restored) - 1})
    return np.concatenate([np.concatenate([column[row] for column in columns], axis=1) for row in rows], axis=0)
