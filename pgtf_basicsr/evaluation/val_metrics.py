"""Scores of clips by the metrics of an option file's ``val.metrics``, measured frame by frame."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from basicsr.metrics import calculate_metric

from ..config.metric_specification import MetricSpecification, label_of, specification_of
from ..errors import UserError
from .results import ClipResult, MetricInfo

__all__ = [
    'COLUMN_ORDER',
    'ClipScorer',
    'describe_available',
    'describe_metrics',
    'is_measured',
    'require_clips',
    'whole_scores',
]

# Columns of tables: the paper's, then ours; other metrics come after them.
COLUMN_ORDER = (
    'calculate_psnr',
    'calculate_ssim',
    'calculate_lpips',
    'calculate_deg',
    'calculate_lmd',
    'calculate_tlme',
    'calculate_msrl',
    'calculate_fvd',
    'calculate_niqe',
    'calculate_flicker',
    'calculate_landmark_jitter',
    'calculate_identity_consistency',
    'calculate_code_accuracy',
)

# {name: dict(type=..., **arguments)}, as in ``val.metrics``.
Metrics = Mapping[str, Mapping[str, Any]]


def describe_metrics(metrics: Metrics) -> dict[str, MetricInfo]:
    """Collect what tables show of the metrics, and check that all files that they need are there.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.

    Returns:
        dict: {name: MetricInfo}, in the order of tables' columns.

    Raises:
        UserError: A file or a package is missing; the message says which.
    """
    infos, missing = describe_available(metrics)
    for name, reason in missing.items():
        raise UserError(f'metric {name}: {reason}')
    return infos


def describe_available(metrics: Metrics) -> tuple[dict[str, MetricInfo], dict[str, str]]:
    """Collect what tables show of the metrics whose files and packages are there.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.

    Returns:
        tuple: {name: MetricInfo}, in the order of tables' columns; {name: what is missing} of the others.
    """
    infos, missing = {}, {}
    for name in sorted(metrics, key=lambda name: _column(metrics[name]['type'])):
        options = metrics[name]
        specification = specification_of(options)
        try:
            label, of_paper = label_of(options)
        except UserError as error:
            missing[name] = str(error)
            continue
        title = specification.title or name
        infos[name] = MetricInfo(title, specification.unit, specification.better, label, of_paper, dict(options))
    return infos, missing


def require_clips(
    metrics: Metrics, dataset: str, lengths: Mapping[str, int], has_gt: bool, side: int | None = None
) -> None:
    """Refuse clips that a metric cannot measure, before anything is restored.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.
        dataset (str): What messages call the clips together.
        lengths (dict): {clip: number of frames}.
        has_gt (bool): Whether there is ground truth.
        side (int, optional): Shorter side of a frame in pixels, where it is known.

    Raises:
        UserError: A clip is too short, its frames are too small, or there are too few clips.
    """
    for name, options in metrics.items():
        if not is_measured(options, has_gt):
            continue
        shortest = min(lengths, key=lambda clip: lengths[clip])
        specification = specification_of(options)
        if lengths[shortest] < specification.min_frames:
            raise UserError(
                f'{dataset}: clip {shortest} has {lengths[shortest]} frame{"s" * (lengths[shortest] != 1)}; metric '
                f'{name} needs {specification.min_frames}: leave one of the two out'
            )
        if side is not None and side < specification.min_side:
            raise UserError(
                f'{dataset}: frames are {side} pixels at their shorter side; metric {name} needs '
                f'{specification.min_side}: leave it out'
            )
        if specification.is_dataset_level and len(lengths) < 2:
            raise UserError(
                f'{dataset}: there is a single clip; metric {name} is a distance between two sets of '
                'clips: leave it out, or take more clips'
            )


def is_measured(options: Mapping[str, Any], has_gt: bool) -> bool:
    """Whether a metric can be measured: without ground truth, only one that does not need it."""
    return has_gt or specification_of(options).ground_truth != 'needed'


class ClipScorer:
    """Scores a clip, frame by frame: the restored clip and, for comparison, the degraded one.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.
        has_gt (bool): Whether there is ground truth; without it, metrics that need it are skipped.
    """

    def __init__(self, metrics: Metrics, has_gt: bool) -> None:
        self._metrics = {name: options for name, options in metrics.items() if is_measured(options, has_gt)}
        self._specifications = {name: specification_of(options) for name, options in self._metrics.items()}
        self._accumulators: dict[tuple[str, str], Any] = {}
        self._curves: dict[str, dict[str, list[float]]] = {name: {} for name in self._metrics}
        self.num_frames = 0

    def update(
        self,
        restored: np.ndarray,
        gt: np.ndarray | None = None,
        degraded: np.ndarray | None = None,
        codes: tuple[Any, Any] | None = None,
    ) -> None:
        """Take the next frame of each clip.

        Args:
            restored (ndarray): (H, W, 3) uint8 RGB.
            gt (ndarray | None): The same frame as it should be, of the same shape.
            degraded (ndarray | None): The same frame as it was; a frame of another size is not scored.
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
        for name, specification in self._specifications.items():
            if specification.compares == 'codes':
                self._add(name, 'restored', codes or ())
                continue
            real = () if gt is None or specification.ground_truth == 'unused' else (gt,)
            for side, frame in sides.items():
                self._add(name, side, (frame, *real))

    def result(self, name: str) -> ClipResult:
        """Return the scores of the frames so far, with the clip's name."""
        scores: dict[str, dict[str, float]] = {metric: {} for metric in self._metrics}
        for (metric, side), accumulator in self._accumulators.items():
            if not self._specifications[metric].is_dataset_level:
                scores[metric][side] = float(accumulator.compute())
        curves = {metric: curve for metric, curve in self._curves.items() if scores[metric]}
        return ClipResult(name, self.num_frames, {metric: scores[metric] for metric in curves}, curves)

    def collected(self) -> dict[tuple[str, str], Any]:
        """Return what dataset-level metrics have collected, {(metric, side): what `whole_scores` combines}."""
        return {
            (metric, side): accumulator.collect()
            for (metric, side), accumulator in self._accumulators.items()
            if self._specifications[metric].is_dataset_level
        }

    def _add(self, metric: str, side: str, inputs: Sequence[Any]) -> None:
        if (metric, side) not in self._accumulators:
            self._accumulators[metric, side] = _accumulator(self._metrics[metric], self._specifications[metric])
        value = self._accumulators[metric, side].update(*inputs)
        self._curves[metric].setdefault(side, []).append(float(value))


def whole_scores(metrics: Metrics, collected: Sequence[Mapping[tuple[str, str], Any]]) -> dict[str, dict[str, float]]:
    """Compute dataset-level metrics.

    Args:
        metrics (dict): {name: dict(type=..., **arguments)}.
        collected (list): What `ClipScorer.collected` gave for each clip, in the order of the clips' names.

    Returns:
        dict: {metric: {side: number}}.
    """
    scores: dict[str, dict[str, float]] = {}
    for metric, side in dict.fromkeys(key for clip in collected for key in clip):
        specification = specification_of(metrics[metric])
        if specification.combine:
            scores.setdefault(metric, {})[side] = specification.combine([clip[metric, side] for clip in collected])
    return scores


class _FrameMean:
    """Accumulates the mean of a metric of single frames over those that have a score, as BasicSR does."""

    def __init__(self, options: Mapping[str, Any], specification: MetricSpecification) -> None:
        self._options = options
        self._names = ('logits', 'codes') if specification.compares == 'codes' else ('img', 'img2')
        self._is_bgr = specification.compares == 'images' and specification.channel_order == 'bgr'
        self._values: list[float] = []

    def update(self, *inputs: Any) -> float:
        if self._is_bgr:
            inputs = tuple(frame[..., ::-1] for frame in inputs)
        try:
            value = calculate_metric(dict(zip(self._names, inputs)), self._options)
        except np.linalg.LinAlgError:
            # BasicSR's NIQE finds nothing to measure in a flat frame, such as the black ones of a fade.
            value = math.nan
        self._values.append(value)
        return value

    def compute(self) -> float:
        values = [value for value in self._values if not math.isnan(value)]
        return float(np.mean(values)) if values else math.nan


def _accumulator(options: Mapping[str, Any], specification: MetricSpecification) -> Any:
    if specification.accumulator:
        return specification.accumulator(**options)
    return _FrameMean(options, specification)


def _column(metric_type: str) -> int:
    return COLUMN_ORDER.index(metric_type) if metric_type in COLUMN_ORDER else len(COLUMN_ORDER)
