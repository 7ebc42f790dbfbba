"""Metrics of an option file's ``val.metrics``, measured frame by frame while clips go by."""

import functools
import inspect
import math

import numpy as np
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY

from ..errors import UserError
from ..metrics.columns import column_of, label_of, order_of
from .results import ClipResult, MetricInfo

__all__ = ['ClipScorer', 'describe_metrics', 'is_measured', 'require_clips', 'whole_scores']

OWN = __name__.partition('.')[0]


def describe_metrics(metrics):
    """What tables tell of the metrics; all files that they need are found to be there.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.

    Returns:
        dict: {name: MetricInfo}, in the order of the paper's columns.

    Raises:
        UserError: A file or a package is missing; the message says which.
    """
    infos = {}
    for name in sorted(metrics, key=lambda name: order_of(metrics[name])):
        options = metrics[name]
        column = column_of(options)
        metric = METRIC_REGISTRY.get(options['type'])
        try:
            of_paper = metric.prepare(**options).of_paper if hasattr(metric, 'prepare') else True
            label = label_of(options)
        except UserError as error:
            raise UserError(f'metric {name}: {error}') from error
        infos[name] = MetricInfo(column.title or name, column.unit, column.better, label, of_paper, dict(options))
    return infos


def require_clips(metrics, data_set, lengths, has_gt, side=None):
    """Refuse clips that a metric cannot measure, before anything is restored.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.
        data_set (str): What messages call the clips together.
        lengths (dict): {clip: number of frames}.
        has_gt (bool): Whether there is ground truth.
        side (int, optional): Shorter side of a frame in pixels, where it is known.

    Raises:
        UserError: A clip is too short, its frames are too small, or there are too few clips.
    """
    for name, options in metrics.items():
        metric = METRIC_REGISTRY.get(options['type'])
        if not is_measured(options, has_gt):
            continue
        needed = metric.min_frames(**options) if hasattr(metric, 'min_frames') else 1
        clip = min(lengths, key=lengths.get)
        if lengths[clip] < needed:
            raise UserError(
                f'{data_set}: clip {clip} has {lengths[clip]} frame{"s" * (lengths[clip] != 1)}; metric '
                f'{name} needs {needed}: leave one of the two out'
            )
        needed = column_of(options).min_side
        if side is not None and side < needed:
            raise UserError(
                f'{data_set}: frames are {side} pixels at their shorter side; metric {name} needs '
                f'{needed}: leave it out'
            )
        if hasattr(metric, 'combine') and len(lengths) < 2:
            raise UserError(
                f'{data_set}: there is a single clip; metric {name} is a distance between two sets of '
                'clips: leave it out, or take more clips'
            )


def is_measured(options, has_gt):
    """Whether a metric can be measured: without ground truth, only one that does without."""
    metric = METRIC_REGISTRY.get(options['type'])
    return has_gt or (not hasattr(metric, 'of_codes') and not _needs_gt(metric))


class ClipScorer:
    """Scores a clip, one frame after the other, of the restored clip and, for comparison, of the degraded one.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.
        has_gt (bool): Whether there is ground truth; without it, only metrics that do without are measured.
    """

    def __init__(self, metrics, has_gt):
        self._metrics = {name: options for name, options in metrics.items() if is_measured(options, has_gt)}
        self._accumulators = {}
        self._curves = {name: {} for name in self._metrics}
        self.num_frames = 0

    def update(self, restored, gt=None, degraded=None, codes=None):
        """Take the next frame of each clip.

        Args:
            restored (ndarray): (H, W, 3) uint8 RGB.
            gt (ndarray | None): The same frame as it should be, of the same shape.
            degraded (ndarray | None): The same frame as it was; one of another size has no scores.
            codes (tuple | None): Logits (h, w, N) and codes (h, w) that metrics of codes compare.

        Raises:
            UserError: The real frame has another size than the restored one.
        """
        if gt is not None and gt.shape != restored.shape:
            raise UserError(
                'restored frames are {1}x{0} and those of the ground truth {3}x{2}; metrics compare frames '
                'of one size'.format(*restored.shape[:2], *gt.shape[:2])
            )
        self.num_frames += 1
        sides = {'restored': restored}
        if degraded is not None and degraded.shape == restored.shape:
            sides['degraded'] = degraded
        for name, options in self._metrics.items():
            of_codes = hasattr(METRIC_REGISTRY.get(options['type']), 'of_codes')
            for side, frame in {'restored': codes}.items() if of_codes else sides.items():
                if (name, side) not in self._accumulators:
                    self._accumulators[name, side] = _accumulator(options)
                value = self._accumulators[name, side].update(*(codes if of_codes else _frames(options, frame, gt)))
                self._curves[name].setdefault(side, []).append(float(value))

    def result(self, name):
        """ClipResult of the frames so far, with the clip's name."""
        scores = {metric: {} for metric in self._metrics}
        for (metric, side), accumulator in self._accumulators.items():
            if hasattr(accumulator, 'compute'):
                scores[metric][side] = float(accumulator.compute())
        curves = {metric: curve for metric, curve in self._curves.items() if scores[metric]}
        return ClipResult(name, self.num_frames, {metric: scores[metric] for metric in curves}, curves)

    def collected(self):
        """{(metric, side): what `whole_scores` makes a number of}, of metrics that are no mean over clips."""
        return {
            key: accumulator.collect()
            for key, accumulator in self._accumulators.items()
            if hasattr(accumulator, 'collect')
        }


def whole_scores(metrics, collected):
    """Numbers of a data set that are no mean over clips.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.
        collected (list): Of each clip, in the order of their names, what `ClipScorer.collected` gave.

    Returns:
        dict: {metric: {side: number}}.
    """
    scores = {}
    for metric, side in dict.fromkeys(key for clip in collected for key in clip):
        combine = METRIC_REGISTRY.get(metrics[metric]['type']).combine
        scores.setdefault(metric, {})[side] = combine([clip[metric, side] for clip in collected])
    return scores


class _FrameMean:
    """Accumulates a metric of single frames, the mean over those that have a score, as BasicSR does."""

    def __init__(self, options, arguments):
        self._options, self._arguments = options, arguments
        self._values = []

    def update(self, *data):
        try:
            value = calculate_metric(dict(zip(self._arguments, data)), self._options)
        except np.linalg.LinAlgError:
            # BasicSR's NIQE finds nothing to measure in a flat frame, such as the black ones of a fade.
            value = math.nan
        self._values.append(value)
        return value

    def compute(self):
        values = [value for value in self._values if not math.isnan(value)]
        return np.mean(values) if values else math.nan


def _accumulator(options):
    metric = METRIC_REGISTRY.get(options['type'])
    if hasattr(metric, 'accumulator'):
        return metric.accumulator(**options)
    return _FrameMean(options, ('logits', 'codes') if hasattr(metric, 'of_codes') else ('img', 'img2'))


def _frames(options, frame, gt):
    """What a metric of pictures compares, in the order of channels that it expects."""
    metric = METRIC_REGISTRY.get(options['type'])
    frames = (frame, gt) if gt is not None and _takes_gt(metric) else (frame,)
    # BasicSR's own, and with them others', take their frames for BGR.
    return frames if metric.__module__.partition('.')[0] == OWN else [frame[..., ::-1] for frame in frames]


@functools.cache
def _takes_gt(metric):
    return 'img2' in inspect.signature(metric).parameters


def _needs_gt(metric):
    parameters = inspect.signature(metric).parameters
    return 'img2' in parameters and parameters['img2'].default is inspect.Parameter.empty
