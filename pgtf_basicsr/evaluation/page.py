"""Results as a page: one self-contained HTML file with tables, curves over time and images."""

import base64
import html
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import cv2

from ..errors import DataError
from ..files import replacing
from ..images import read_image
from .clip_images import CAPTIONS, COLUMN_ORDER
from .markdown import TextTable, escaped, markdown_notes
from .protocols import have_one_protocol, protocol_text
from .results import ClipResult, DatasetResult, MetricInfo

__all__ = ['PageSection', 'write_page']

# Images are embedded as JPEG, no wider than this; the originals stay beside the results.
MAX_WIDTH = 1200
# Of a single column, where runs are shown side by side.
MAX_COLUMN_WIDTH = 400
JPEG_OPTIONS = [
    cv2.IMWRITE_JPEG_QUALITY,
    88,
    # Colours at half the width but full height, where slices have neighbouring frames.
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
]
CURVE_DIGITS = 5
NOT_OF_PAPER = '†'

# What images of all runs have alike, and what the page calls it.
SHARED_COLUMNS = {'degraded': 'degraded input', 'real': 'ground truth'}
# Results of a dataset in a run and the run's folder.
Found = tuple[DatasetResult, str | Path]


@dataclass(frozen=True)
class PageSection:
    """Tables between the means and the clips, with a heading; all of it plain text.

    Attributes:
        title: The heading.
        tables: `TextTable` s; several are folded up.
        text: What stands below the heading.
        notes: Sentences, as a list.
    """

    title: str
    tables: list[TextTable] = field(default_factory=list)
    text: str = ''
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return it with a heading of the second level; ends with a line break."""
        text = f'{escaped(self.text)}\n' if self.text else ''
        tables = [table.markdown() for table in self.tables]
        return '\n'.join([f'## {escaped(self.title)}\n', text, *tables]) + markdown_notes(self.notes).lstrip('\n')


@dataclass(frozen=True)
class PageImage:
    """An image of the page.

    Attributes:
        kind: 'frames' or 'slices'.
        path: Its file.
        column: (number, how many there are) of the column that is shown; None shows all.
    """

    kind: str
    path: Path
    column: tuple[int, int] | None = None


HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header><h1>{title}</h1></header>
<main><noscript><p>JavaScript, which draws the tables and curves of this page, is switched off.</p></noscript></main>
"""


def write_page(
    path: str | Path,
    title: str,
    results: Sequence[Found],
    sections: Sequence[PageSection] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write scores, curves and images of runs as one HTML file that needs no other file and no network.

    Args:
        path (str | Path): The file; its folder must exist.
        title (str): Heading of the page.
        results (list): Pairs (DatasetResult, folder), in the order of the tables' rows.  Paths of images are relative
            to the folder.  Results of the same dataset are compared with each other, and the images of a clip stand
            side by side.  An image that is missing or not readable is skipped, and the page says so.
        sections (list[PageSection]): What else the page shows.
        warnings (list[str]): Sentences at its top.

    Raises:
        OSError: The file cannot be written.
    """
    images: list[PageImage] = []
    contents = {
        **_contents(results, images),
        'sections': [asdict(section) for section in sections],
        'warnings': list(warnings),
    }
    # Names come from file systems, where they need not be valid Unicode.
    with replacing(path) as partial, open(partial, 'w', encoding='utf-8', errors='replace') as page:
        page.write(HEAD.format(title=html.escape(title), style=_asset('page.css')))
        page.write(f'<script type="application/json" id="contents">{_embedded(contents)}</script>\n')
        for number, image in enumerate(images):
            page.write(_image_script(f'picture-{number}', image))
        page.write(f'<script>\n{_asset("page.js")}</script>\n</body>\n</html>\n')


def _contents(results: Sequence[Found], images: list[PageImage]) -> dict[str, Any]:
    """What the page shows, as plain values; lists of values follow the order of `metrics` and of a dataset's `clips`.

    The images it refers to by number are appended to `images`.
    """
    infos: dict[str, list[tuple[str, MetricInfo]]] = {}
    datasets: dict[str, list[Found]] = {}
    for result, folder in results:
        datasets.setdefault(result.dataset, []).append((result, folder))
        for metric, info in result.metrics.items():
            infos.setdefault(metric, []).append((result.run, info))
    notes: dict[str, str] = {}
    metrics = [_metric(of_runs, notes) for of_runs in infos.values()]
    in_order = sorted(notes.items(), key=lambda note: note[1] != NOT_OF_PAPER)
    return {
        'metrics': metrics,
        'notes': [{'mark': mark, 'text': text} for text, mark in in_order],
        'captions': CAPTIONS,
        'columnOrder': COLUMN_ORDER,
        'datasets': [_dataset(name, of_runs, list(infos), images) for name, of_runs in datasets.items()],
    }


def _metric(infos: Sequence[tuple[str, MetricInfo]], notes: dict[str, str]) -> dict[str, Any]:
    """What tables show of a metric; `infos` are pairs (run, MetricInfo), and `notes` gets {text: mark}."""
    info = infos[0][1]
    marks = []
    if not all(info.of_paper for _, info in infos):
        marks.append(notes.setdefault("Not comparable with the paper's numbers", NOT_OF_PAPER))
    labels: dict[str, dict[str, None]] = {}
    for run, other in infos:
        labels.setdefault(other.label, {})[run] = None
    comparable = all(other == info for _, other in infos)
    if len(labels) > 1:
        text = '; '.join(f'{", ".join(runs)}: {label or "no note"}' for label, runs in labels.items())
    else:
        text = info.label
    if not comparable:
        text = '. '.join(filter(None, [text, 'Measured with different options, so that none is marked best']))
    if text:
        number = 1 + sum(mark.isdigit() for mark in notes.values())
        marks.append(notes.setdefault(text, str(number)))
    return {'title': info.title, 'unit': info.unit, 'better': info.better, 'marks': marks, 'comparable': comparable}


def _dataset(name: str, results: Sequence[Found], metrics: Sequence[str], images: list[PageImage]) -> dict[str, Any]:
    lengths: dict[str, int] = {}
    for clip in (clip for result, _ in results for clip in result.clips):
        lengths[clip.name] = max(clip.num_frames, lengths.get(clip.name, 0))
    degraded: list[dict[str, Any]] = []
    restored: list[dict[str, Any]] = []
    shared: dict[str, list[dict[str, int]]] = {}
    side_by_side = _is_side_by_side(results)
    for result, folder in results:
        if 'degraded' in result.sides():
            series = _series(result, 'degraded', metrics, lengths)
            # Runs usually restore the same clips, so their input is shown once.
            if all({**series, 'run': other['run']} != other for other in degraded):
                degraded.append(series)
        clips = _in_order(result, lengths)
        if side_by_side:
            for column, label in SHARED_COLUMNS.items():
                if label not in shared and any(column in clip.columns for clip in clips):
                    shared[label] = [_numbered(clip, folder, images, column) for clip in clips]
        numbers = [_numbered(clip, folder, images, 'restored' if side_by_side else None) for clip in clips]
        restored.append({**_series(result, 'restored', metrics, lengths), 'pictures': numbers})
    protocols = [result for result, _ in results]
    return {
        'name': name,
        'protocol': protocol_text(protocols),
        'isOneTest': have_one_protocol(protocols),
        'clips': [{'name': clip, 'frames': length} for clip, length in lengths.items()],
        'series': degraded + restored,
        'sideBySide': side_by_side,
        'shared': shared,
    }


def _is_side_by_side(results: Sequence[Found]) -> bool:
    """Whether there are several runs, and it is known of all their images what they show where."""
    clips = [clip for result, _ in results for clip in result.clips]
    return len(results) > 1 and all(clip.columns for clip in clips if clip.pictures)


def _series(result: DatasetResult, side: str, metrics: Sequence[str], clips: Iterable[str]) -> dict[str, Any]:
    """The numbers of one side of one run."""
    in_order = _in_order(result, clips)
    return {
        'run': result.run,
        'side': side,
        'means': [_number(result.mean(metric, side)) for metric in metrics],
        'counts': [len(result.clip_scores(metric, side)) for metric in metrics],
        'scores': [
            [_number(clip.scores.get(metric, {}).get(side, math.nan)) for metric in metrics] for clip in in_order
        ],
        'curves': [
            [
                [_number(float(f'{value:.{CURVE_DIGITS}g}')) for value in clip.curves.get(metric, {}).get(side, [])]
                for metric in metrics
            ]
            for clip in in_order
        ],
    }


def _in_order(result: DatasetResult, clips: Iterable[str]) -> list[ClipResult]:
    """A ClipResult for each name; an empty one for a clip that the run does not have."""
    known = {clip.name: clip for clip in result.clips}
    return [known.get(name, ClipResult(name, 0, {})) for name in clips]


def _numbered(clip: ClipResult, folder: str | Path, images: list[PageImage], column: str | None) -> dict[str, int]:
    """{kind: number} of the images of a clip, or of one of their columns, which are appended to `images`."""
    if column is not None and column not in clip.columns:
        return {}
    place = None if column is None else (clip.columns.index(column), len(clip.columns))
    first = len(images)
    images.extend(PageImage(kind, Path(folder) / path, place) for kind, path in clip.pictures.items())
    return {kind: number for number, kind in enumerate(clip.pictures, first)}


def _number(value: float) -> float | str | None:
    """Convert a number to what JSON and JavaScript's Number() take: nan is null, and infinity a text."""
    if math.isnan(value):
        return None
    if math.isinf(value):
        return 'Infinity' if value > 0 else '-Infinity'
    return float(value)


def _embedded(contents: Any) -> str:
    """JSON that can stand between the tags of a script: `<` could end it, or begin a comment."""
    text = json.dumps(contents, ensure_ascii=False, allow_nan=False, separators=(',', ':'))
    return text.replace('<', '\\u003c').replace('\u2028', '\\u2028').replace('\u2029', '\\u2029')


def _image_script(name: str, shown: PageImage) -> str:
    """An image as base64 in a script that is not run, so that the browser only decodes images that are shown."""
    try:
        image = cv2.cvtColor(read_image(shown.path), cv2.COLOR_RGB2BGR)
    except DataError:
        return ''
    max_width = MAX_WIDTH
    if shown.column is not None:
        number, count = shown.column
        column_width = image.shape[1] // count
        image = image[:, number * column_width : (number + 1) * column_width]
        max_width = MAX_COLUMN_WIDTH
    height, width = image.shape[:2]
    if width > max_width:
        # Slices keep their height: averaged over neighbouring frames, flicker would vanish.
        height = height if shown.kind == 'slices' else round(height * max_width / width)
        width = max_width
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode('.jpg', image, JPEG_OPTIONS)
    text = base64.b64encode(data.tobytes()).decode('ascii')
    return f'<script type="text/plain" id="{name}" data-width="{width}" data-height="{height}">{text}</script>\n'


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding='utf-8')
