"""Scores of frames, clips and datasets, and their file, ``metrics_<dataset>.json``."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..files import replacing

__all__ = [
    'SIDES',
    'ClipResult',
    'DatasetResult',
    'MetricInfo',
    'all_metrics',
    'json_values',
    'read_results',
    'write_results',
]

# What is compared with the ground truth: the output and the input of a method.
SIDES = ('restored', 'degraded')


@dataclass(frozen=True)
class MetricInfo:
    """What tables show of a metric.

    Attributes:
        title: Heading of its column, such as 'PSNR'.
        unit: Of its numbers, such as 'dB'; '' where there is none.
        better: 'higher' or 'lower'.
        label: What the numbers are computed with, such as a network; '' where nothing more needs to be said.
        of_paper: Whether the numbers are comparable with the paper's.
        options: The metric's type and arguments.
    """

    title: str
    unit: str = ''
    better: str = 'higher'
    label: str = ''
    of_paper: bool = True
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class ClipResult:
    """Scores of a clip.

    Attributes:
        name: Of the clip.
        num_frames: Frames that were scored.
        scores: {metric: {side: number}}, of the whole clip; a side is one of `SIDES`.  nan is a missing score,
            such as that of a clip without a face.
        curves: {metric: {side: one number a frame}}; nan for frames without a value.
        pictures: {'frames': path, 'slices': path}, of those that exist, relative to the folder of the
            results' file.
        columns: What these show from left to right, see `clip_images.ClipImages`; empty where it is not known.
    """

    name: str
    num_frames: int
    scores: dict[str, dict[str, float]]
    curves: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()


@dataclass
class DatasetResult:
    """Scores of the clips of a dataset in one run.

    Attributes:
        run: Name of the run, such as that of a method.
        dataset: Name of the dataset.
        metrics: {metric: MetricInfo}, in the order of tables' columns.
        clips: ClipResults, in the order of their names.
        whole: {metric: {side: number}} of dataset-level metrics.
        protocol: Label of the benchmark whose clips these are, all of them, NAME@HASH; '' where there is none.
    """

    run: str
    dataset: str
    metrics: dict[str, MetricInfo]
    clips: list[ClipResult]
    whole: dict[str, dict[str, float]] = field(default_factory=dict)
    protocol: str = ''

    def sides(self) -> tuple[str, ...]:
        """Those of `SIDES` that have a score."""
        measured = [scores for clip in self.clips for scores in clip.scores.values()] + list(self.whole.values())
        return tuple(side for side in SIDES if any(side in scores for scores in measured))

    def clip_scores(self, metric: str, side: str = 'restored') -> dict[str, float]:
        """Scores of the clips that have one, {clip: number}."""
        scores = {clip.name: clip.scores.get(metric, {}).get(side, math.nan) for clip in self.clips}
        return {clip: score for clip, score in scores.items() if not math.isnan(score)}

    def mean(self, metric: str, side: str = 'restored') -> float:
        """Number of the dataset: the mean over the clips that have a score, as BasicSR has it for videos; or nan."""
        if metric in self.whole:
            return self.whole[metric].get(side, math.nan)
        scores = self.clip_scores(metric, side).values()
        return sum(scores) / len(scores) if scores else math.nan

    def means(self) -> dict[str, dict[str, float]]:
        """Numbers of the dataset, {metric: {side: number}}."""
        return {metric: {side: self.mean(metric, side) for side in self.sides()} for metric in self.metrics}


def all_metrics(results: Sequence[DatasetResult]) -> dict[str, MetricInfo]:
    """Metrics that any of the results has, {metric: MetricInfo}."""
    metrics: dict[str, MetricInfo] = {}
    for result in results:
        for metric, info in result.metrics.items():
            metrics.setdefault(metric, info)
    return metrics


def write_results(result: DatasetResult, path: Path) -> None:
    """Write a DatasetResult as JSON; nan becomes null, and infinity, which JSON does not know either, 'inf'."""
    contents = {
        'run': result.run,
        'data_set': result.dataset,
        'protocol': result.protocol,
        'metrics': {name: asdict(info) for name, info in result.metrics.items()},
        'mean': result.means(),
        'clips': {clip.name: clip.scores for clip in result.clips},
        'frames': {clip.name: clip.num_frames for clip in result.clips},
        'whole': result.whole,
        'pictures': {clip.name: clip.pictures for clip in result.clips},
        'columns': {clip.name: clip.columns for clip in result.clips},
        'curves': {clip.name: clip.curves for clip in result.clips},
    }
    # One line for each part: with a line for each number of a curve, nobody could read the means at the top.
    parts = [f'{json.dumps(name)}: {json.dumps(json_values(part), allow_nan=False)}' for name, part in contents.items()]
    with replacing(path) as partial:
        partial.write_text('{\n' + ',\n'.join(parts) + '\n}\n', encoding='utf-8')


def read_results(path: str | Path) -> DatasetResult:
    """Read a file that `write_results` wrote.

    Raises:
        UserError: The file is missing, or is not a file of results.
    """
    path = Path(path)
    try:
        contents = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise UserError(f'cannot read results {path}: {error.strerror}') from error
    except ValueError as error:
        raise UserError(f'{path} is not a file of results: {error}') from error
    try:
        clips = [
            ClipResult(
                name,
                contents['frames'][name],
                _read(scores),
                _read(contents['curves'][name]),
                contents['pictures'][name],
                tuple(contents.get('columns', {}).get(name, ())),
            )
            for name, scores in contents['clips'].items()
        ]
        metrics = {name: MetricInfo(**info) for name, info in contents['metrics'].items()}
        # Older files state none.
        protocol = contents.get('protocol', '')
        return DatasetResult(contents['run'], contents['data_set'], metrics, clips, _read(contents['whole']), protocol)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f'{path} is not a file of results: it should be a metrics_<dataset>.json that basicsr test or '
            f'basicsr evaluate wrote ({type(error).__name__}: {error})'
        ) from error


def json_values(value: Any) -> Any:
    """Convert a value, nested in dicts and lists, to what JSON can hold: nan to null, and infinity to text, 'inf'."""
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _read(value: Any) -> Any:
    """Undo `json_values`."""
    if isinstance(value, dict):
        return {key: _read(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item) for item in value]
    return math.nan if value is None else float(value)
