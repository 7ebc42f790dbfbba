"""Specifications of metrics: what tables, option checks and the scorer need to know, stated beside each function.

    @METRIC_REGISTRY.register()
    @specified_by(MetricSpecification(title='Rain', unit='mm', better='lower', min_side=32))
    def calculate_rain(img, img2, **kwargs): ...

A registered metric without a specification has that of `MetricSpecification()`: it is a metric of single frames, which
it takes as BasicSR hands them over, and higher scores are better unless its options say ``better: lower``.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

from basicsr.utils.registry import METRIC_REGISTRY

from ..network_files import Backend
from .registries import look_up

__all__ = [
    'Accumulator',
    'ChannelOrder',
    'Collector',
    'MetricSpecification',
    'label_of',
    'specification_of',
    'specified_by',
]

Better = Literal['higher', 'lower']
Compares = Literal['images', 'codes', 'other']
GroundTruth = Literal['needed', 'optional', 'unused']
ChannelOrder = Literal['rgb', 'bgr']
Metric = TypeVar('Metric', bound=Callable[..., Any])


class Accumulator(Protocol):
    """Scores a clip frame by frame, in memory that does not grow with the clip.

    Several accumulators look at a frame once, see `frame_cache`, if all are given the same array, which must not be
    changed in place.
    """

    def update(self, *frames: Any, **kwargs: Any) -> float:
        """Take the next frame of the restored clip and, with ground truth, of the real clip, (H, W, 3) uint8 RGB.

        Returns:
            The value that this frame adds, in the metric's unit, for a curve over time; nan where it adds none, such as
            a frame without a face, or the first frame where neighbouring frames are compared.
        """

    def compute(self) -> float:
        """Score of the frames so far; nan where there is none."""


class Collector(Protocol):
    """Collects from a clip, frame by frame, what a dataset-level metric is computed from."""

    def update(self, *frames: Any, **kwargs: Any) -> float:
        """Take the next frame of each clip, as `Accumulator.update` does."""

    def collect(self) -> Any:
        """What the clip contributes to `MetricSpecification.combine`; it can be pickled."""


@dataclass(frozen=True)
class MetricSpecification:
    """Specification of a metric.

    A metric is averaged over the frames of a clip, unless it has an ``accumulator``, and over the clips of a dataset,
    unless it has ``combine``.  Functions take the metric's options as keyword arguments, its type among them.

    Attributes:
        title: Heading of its column in tables; None takes the name that the options give it.
        unit: Of its numbers, such as 'dB'; '' where there is none.
        better: Which numbers are better, higher or lower.
        digits: Digits behind the point in tables, as in the literature.
        compares: What it is computed from: images or clips (``img``), codes and the logits that predict them
            (``logits``, ``codes``), or something that validation does not have.  None reads it from the parameters of
            the function.
        ground_truth: Whether it needs real images.  None reads it from the parameters of the function: ``img2``
            without a default is needed, with a default optional, and codes need the ground truth that they are of.
        min_frames: Frames that a clip must have.
        min_side: Shorter side in pixels that a frame must have.
        channel_order: Of the frames that the function takes; accumulators take RGB.  None reads the default of its
            parameter ``channel_order``, without which it is BasicSR's, bgr.
        label: Function that returns what the numbers are computed with, such as a network.  It loads nothing, and
            raises UserError where a file or a package is missing.
        accumulator: Function that returns a new `Accumulator`, or a `Collector` where there is ``combine``.
        combine: Function that returns the number of a whole dataset, from a list of what the collectors of all clips
            have collected, in the order of the clips.  It raises UserError for fewer than two clips.
        of_options: Function that returns the fields that depend on the options, {field: value}.
    """

    title: str | None = None
    unit: str = ''
    better: Better = 'higher'
    digits: int = 3
    compares: Compares | None = None
    ground_truth: GroundTruth | None = None
    min_frames: int = 1
    min_side: int = 1
    channel_order: ChannelOrder | None = None
    label: Callable[..., Backend] | None = None
    accumulator: Callable[..., Accumulator | Collector] | None = None
    combine: Callable[[Sequence[Any]], float] | None = None
    of_options: Callable[..., Mapping[str, Any]] | None = None

    @property
    def is_dataset_level(self) -> bool:
        """Whether it has one number for all clips of a dataset, which is not a mean over clips."""
        return self.combine is not None


def specified_by(specification: MetricSpecification) -> Callable[[Metric], Metric]:
    """Decorate a metric with its specification; to be used below ``@METRIC_REGISTRY.register()``."""

    def decorate(metric: Metric) -> Metric:
        metric.specification = specification  # type: ignore[attr-defined]
        return metric

    return decorate


def specification_of(options: Mapping[str, Any]) -> MetricSpecification:
    """Specification of a registered metric with its options.

    Args:
        options: A section of ``val.metrics``: type and arguments.  Its ``better`` and ``channel_order`` win over the
            specification, and its ``crop_border`` makes ``min_side`` larger.

    Returns:
        With no field left to read from the function or the options.  A type that is not registered has the one of a
        metric without a specification.
    """
    metric = look_up(METRIC_REGISTRY, options.get('type', ''))
    specification = getattr(metric, 'specification', MetricSpecification())
    if metric is not None:
        specification = _completed(specification, metric)
    if specification.of_options:
        specification = replace(specification, **specification.of_options(**options))
    return replace(
        specification,
        better=options.get('better', specification.better),
        channel_order=options.get('channel_order', specification.channel_order),
        min_side=specification.min_side + 2 * options.get('crop_border', 0),
    )


def label_of(options: Mapping[str, Any]) -> Backend:
    """What a metric's numbers are computed with, where a table has to say so; else an empty label.

    Args:
        options: As in `specification_of`.

    Raises:
        UserError: A file or a package that the metric needs is missing.
    """
    label = specification_of(options).label
    backend = label(**options) if label else Backend('', True)
    border = options.get('crop_border')
    parts = [backend.label, f'border of {border} px left out' if border else '']
    return backend._replace(label=', '.join(part for part in parts if part))


def _completed(specification: MetricSpecification, metric: Callable[..., Any]) -> MetricSpecification:
    """Fill in the fields that are read from the parameters of the function."""
    parameters = inspect.signature(metric).parameters
    compares: Compares = 'images' if 'img' in parameters else 'codes' if 'logits' in parameters else 'other'
    ground_truth: GroundTruth = 'needed'
    if 'img' in parameters:
        real = parameters.get('img2')
        ground_truth = 'unused' if real is None else 'needed' if real.default is real.empty else 'optional'
    order = parameters.get('channel_order')
    channel_order: ChannelOrder = 'rgb' if order and order.default == 'rgb' else 'bgr'
    return replace(
        specification,
        compares=specification.compares or compares,
        ground_truth=specification.ground_truth or ground_truth,
        channel_order=specification.channel_order or channel_order,
    )
