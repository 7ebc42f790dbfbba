"""Results as CSV, to compute with: a row for each clip, or for each frame."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..files import replacing
from .results import DatasetResult, all_metrics

__all__ = ['write_clip_table', 'write_frame_table']


def write_clip_table(results: Sequence[DatasetResult], path: str | Path) -> None:
    """Write scores as CSV: run, data_set, clip, of (restored or degraded), frames, a column for each metric.

    Numbers have full precision, a missing score is empty, infinity is ``inf``.  Dataset-level metrics have no column.
    Names are written as they are, even where a spreadsheet would take one for a formula (= + - @ at its beginning), so
    that this table can be joined with files.

    Args:
        results (list[DatasetResult]): A row is written for each clip and side of each of them.
        path (str | Path): The file; its folder must exist.

    Raises:
        OSError: It cannot be written.
    """
    metrics = [metric for metric in all_metrics(results) if all(metric not in result.whole for result in results)]
    rows = (
        [result.run, result.dataset, clip.name, side, clip.num_frames]
        + [_field(clip.scores.get(metric, {}).get(side, math.nan)) for metric in metrics]
        for result in results
        for clip in result.clips
        for side in result.sides()
    )
    _write_csv(path, ['run', 'data_set', 'clip', 'of', 'frames', *metrics], rows)


def write_frame_table(results: Sequence[DatasetResult], path: str | Path) -> None:
    """Write curves as CSV: run, data_set, clip, frame (from 0), of (restored or degraded), a column for each metric.

    Numbers and names are as in `write_clip_table`.

    Args:
        results (list[DatasetResult]): A row is written for each frame and side of each clip of each of them.
        path (str | Path): The file; its folder must exist.

    Raises:
        OSError: It cannot be written.
    """
    metrics = [
        metric
        for metric in all_metrics(results)
        if any(metric in clip.curves for result in results for clip in result.clips)
    ]
    _write_csv(path, ['run', 'data_set', 'clip', 'frame', 'of', *metrics], _frame_rows(results, metrics))


def _frame_rows(results: Sequence[DatasetResult], metrics: Sequence[str]) -> Iterator[list[Any]]:
    for result in results:
        for clip in result.clips:
            for side in result.sides():
                curves = [clip.curves.get(metric, {}).get(side, [math.nan] * clip.num_frames) for metric in metrics]
                for frame, numbers in enumerate(zip(*curves)):
                    yield [result.run, result.dataset, clip.name, frame, side, *map(_field, numbers)]


def _field(number: float) -> str:
    """A number as a field of CSV."""
    return '' if math.isnan(number) else repr(float(number))


def _write_csv(path: str | Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    # Names come from file systems, where they need not be valid Unicode: they get back the bytes that they had there.
    with replacing(path) as partial, open(partial, 'w', newline='', encoding='utf-8', errors='surrogateescape') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(names)
        table.writerows(rows)
