"""Scores of frames, clips and data sets, and the file that keeps them, ``metrics_<data set>.json``."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..errors import UserError
from ..files import replacing

__all__ = ['SIDES', 'ClipResult', 'DataSetResult', 'MetricInfo', 'json_values', 'read_results', 'write_results']

# What is scored against the ground truth: what came out, and what went in.
SIDES = ('restored', 'degraded')


@dataclass(frozen=True)
class MetricInfo:
    """What tables tell of a metric.

    Attributes:
        title: What a column is called, such as 'PSNR'.
        unit: Of its numbers, such as 'dB'; '' where there is none.
        better: 'higher' or 'lower'.
        label: What is behind the numbers, such as a network; '' where nothing more is to be said.
        of_paper: Whether the numbers compare with the paper's.
        options: The metric's type and arguments.
    """

    title: str
    unit: str = ''
    better: str = 'higher'
    label: str = ''
    of_paper: bool = True
    options: dict = field(default_factory=dict)


@dataclass
class ClipResult:
    """Scores of a clip.

    Attributes:
        name: Of the clip.
        num_frames: Frames that were scored.
        scores: {metric: {side: number}}, of the whole clip; a side is one of `SIDES`.  nan is a score that could not be
            had, such as that of a clip without a face.
        curves: {metric: {side: one number a frame}}; nan in frames that add nothing.
        pictures: {'frames': path, 'slices': path}, of what exists, relative to the folder of the results' file.
    """

    name: str
    num_frames: int
    scores: dict
    curves: dict = field(default_factory=dict)
    pictures: dict = field(default_factory=dict)


@dataclass
class DataSetResult:
    """Scores of the clips of a data set in one run.

    Attributes:
        run: Name of the run, such as that of a method.
        data_set: Name of the data set.
        metrics: {metric: MetricInfo}, in the order of tables' columns.
        clips: ClipResults, in the order of their names.
        whole: {metric: {side: number}} of metrics that are no mean over clips.
    """

    run: str
    data_set: str
    metrics: dict
    clips: list
    whole: dict = field(default_factory=dict)

    def sides(self):
        """Those of `SIDES` that anything was measured of."""
        measured = [scores for clip in self.clips for scores in clip.scores.values()] + list(self.whole.values())
        return tuple(side for side in SIDES if any(side in scores for scores in measured))

    def clip_scores(self, metric, side='restored'):
        """{clip: number} of the clips that have one."""
        scores = {clip.name: clip.scores.get(metric, {}).get(side, math.nan) for clip in self.clips}
        return {clip: score for clip, score in scores.items() if not math.isnan(score)}

    def mean(self, metric, side='restored'):
        """The number of the data set: the mean over the clips that have one, as BasicSR has it for videos; or nan."""
        if metric in self.whole:
            return self.whole[metric].get(side, math.nan)
        scores = self.clip_scores(metric, side).values()
        return sum(scores) / len(scores) if scores else math.nan

    def means(self):
        """{metric: {side: number}}."""
        return {metric: {side: self.mean(metric, side) for side in self.sides()} for metric in self.metrics}


def write_results(result, path):
    """Write a DataSetResult as JSON; nan becomes null, and infinity, which JSON does not know either, 'inf'."""
    contents = {
        'run': result.run,
        'data_set': result.data_set,
        'metrics': {name: asdict(info) for name, info in result.metrics.items()},
        'mean': result.means(),
        'clips': {clip.name: clip.scores for clip in result.clips},
        'frames': {clip.name: clip.num_frames for clip in result.clips},
        'whole': result.whole,
        'pictures': {clip.name: clip.pictures for clip in result.clips},
        'curves': {clip.name: clip.curves for clip in result.clips},
    }
    # A line for each part: with one for each number of a curve, nobody could read the means at the top.
    parts = [f'{json.dumps(name)}: {json.dumps(json_values(part), allow_nan=False)}' for name, part in contents.items()]
    with replacing(path) as partial:
        partial.write_text('{\n' + ',\n'.join(parts) + '\n}\n', encoding='utf-8')


def read_results(path):
    """Read what `write_results` wrote.

    Raises:
        UserError: The file is missing, or is none of these.
    """
    path = Path(path)
    try:
        contents = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise UserError(f'cannot read results {path}: {error.strerror}') from error
    except ValueError as error:
        raise UserError(f'{path} is no file of results: {error}') from error
    try:
        clips = [
            ClipResult(
                name,
                contents['frames'][name],
                _read(scores),
                _read(contents['curves'][name]),
                contents['pictures'][name],
            )
            for name, scores in contents['clips'].items()
        ]
        metrics = {name: MetricInfo(**info) for name, info in contents['metrics'].items()}
        return DataSetResult(contents['run'], contents['data_set'], metrics, clips, _read(contents['whole']))
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f'{path} is no file of results: it should be a metrics_<data set>.json that basicsr test or '
            f'basicsr evaluate wrote ({type(error).__name__}: {error})'
        ) from error


def json_values(value):
    """A value, nested in dicts and lists, as JSON can hold it: nan as null, and infinity as text, 'inf'."""
    if isinstance(value, dict):
        return {key: json_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_values(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _read(value):
    """Numbers as `json_values` has made them JSON's, nested in dicts and lists."""
    if isinstance(value, dict):
        return {key: _read(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item) for item in value]
    return math.nan if value is None else float(value)
