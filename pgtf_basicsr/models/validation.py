"""Scores of a data set's clips, as the loop of validation gathers and reports them."""

from functools import cached_property

from ..evaluation.results import SIDES, DatasetResult
from ..evaluation.scoring import whole_scores
from ..ranks import gathered

__all__ = ['ClipScores']


class ClipScores:
    """Scores of the restored clips of a data set and, for comparison, of the degraded ones.

    Args:
        run (str): Name of the run.
        data_set (str): Name of the data set.
        metrics (dict): {name: MetricInfo}, see `evaluation.scoring.describe_metrics`.
    """

    # What the second of two scores is of.
    baseline = 'degraded'

    def __init__(self, run, data_set, metrics):
        self._run, self._data_set, self._metrics = run, data_set, metrics
        self._clips, self._collected = [], {}

    def __len__(self):
        return len(self._clips)

    def add(self, clip, collected):
        """Take what a `ClipScorer` made of a clip: its result, and what it collected."""
        self._clips.append(clip)
        self._collected[clip.name] = collected

    def gathered(self):
        """Scores of all ranks, in the order of the clips' names; every rank must call it."""
        scores = ClipScores(self._run, self._data_set, self._metrics)
        for clips, collected in gathered((self._clips, self._collected)):
            scores._clips += clips
            scores._collected |= collected
        scores._clips.sort(key=lambda clip: clip.name)
        return scores

    @cached_property
    def result(self):
        """DatasetResult of the metrics that were measured, once all clips are there."""
        options = {name: info.options for name, info in self._metrics.items()}
        whole = whole_scores(options, [self._collected[clip.name] for clip in self._clips])
        measured = {name for clip in self._clips for name in clip.scores} | set(whole)
        metrics = {name: info for name, info in self._metrics.items() if name in measured}
        return DatasetResult(self._run, self._data_set, metrics, self._clips, whole)

    def directions(self):
        """{metric: 'higher' or 'lower'}, whichever is better."""
        return {name: info.better for name, info in self.result.metrics.items()}

    def means(self):
        """{metric: (restored, degraded)}, averaged over clips, as BasicSR does for videos."""
        return {name: tuple(self.result.mean(name, side) for side in SIDES) for name in self.result.metrics}
