"""Scores of a dataset's clips, as validation gathers and reports them."""

from functools import cached_property
from typing import Any

from ..evaluation.results import SIDES, DatasetResult
from ..evaluation.val_metrics import whole_scores
from ..ranks import gathered

__all__ = ['ClipScores']


class ClipScores:
    """Scores of the restored clips of a dataset and, for comparison, of the degraded ones.

    Args:
        run (str): Name of the run.
        data_set (str): Name of the dataset.
        metrics (dict): {name: MetricInfo}, see `evaluation.val_metrics.describe_metrics`.
        protocol (str): What the clips were made by, see `data.benchmarks.protocol_of_dataset`.
    """

    # Name of the second of two scores.
    baseline = 'degraded'

    def __init__(self, run: str, data_set: str, metrics: dict[str, Any], protocol: str = '') -> None:
        self._protocol = protocol
        self._run, self._data_set, self.metrics = run, data_set, metrics
        self._clips: list[Any] = []
        self._collected: dict[str, Any] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def add(self, clip: Any, collected: Any) -> None:
        """Add a clip: the result of its `ClipScorer`, and what that collected."""
        self._clips.append(clip)
        self._collected[clip.name] = collected

    def gathered(self) -> 'ClipScores':
        """Gather the scores of all ranks, in the order of the clips' names; every rank must call it."""
        scores = ClipScores(self._run, self._data_set, self.metrics, self._protocol)
        for clips, collected in gathered((self._clips, self._collected)):
            scores._clips += clips
            scores._collected |= collected
        scores._clips.sort(key=lambda clip: clip.name)
        return scores

    @cached_property
    def result(self):
        """DatasetResult of the metrics that were measured, once all clips are there."""
        options = {name: info.options for name, info in self.metrics.items()}
        whole = whole_scores(options, [self._collected[clip.name] for clip in self._clips])
        measured = {name for clip in self._clips for name in clip.scores} | set(whole)
        metrics = {name: info for name, info in self.metrics.items() if name in measured}
        return DatasetResult(self._run, self._data_set, metrics, self._clips, whole, self._protocol)

    def directions(self) -> dict[str, str]:
        """Return {metric: 'higher' or 'lower'}, whichever is better."""
        return {name: info.better for name, info in self.result.metrics.items()}

    def means(self) -> dict[str, tuple[float, ...]]:
        """Return {metric: (restored, degraded)}, averaged over clips, as BasicSR does for videos."""
        return {name: tuple(self.result.mean(name, side) for side in SIDES) for name in self.result.metrics}
