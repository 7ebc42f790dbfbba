"""Pieces of the page that Gradio has no component for, as HTML."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
from tqdm import tqdm

from ..restoration.reports import ANALYSIS
from .progress import PageReport
from .tasks import PREVIEW_SECONDS

__all__ = ['guide', 'message', 'player', 'progress_bar', 'size_text', 'tile_styles']

JPEG_QUALITY = 85


def guide() -> str:
    """What the page does, for who opens it."""
    steps = (
        'Drop a video. Its faces are found, frame by frame.',
        f'Choose faces and settings, and try them on {PREVIEW_SECONDS} seconds.',
        'Restore the video, and download it. What is not a face stays as it is, sound included.',
    )
    return f'<ol class="guide">{"".join(f"<li>{step}</li>" for step in steps)}</ol>'


def size_text(size: int) -> str:
    """A number of bytes for people: 500 MB, 4 GB."""
    return f'{size / 2**30:.3g} GB' if size >= 2**30 else f'{size / 2**20:.3g} MB'


def message(text: str, notes: Sequence[str] = (), *, kind: str = 'note') -> str:
    """A sentence and further ones below it; of the kind note, done or error."""
    role = 'alert' if kind == 'error' else 'status'
    items = ''.join(f'<li>{html.escape(note)}</li>' for note in notes)
    further = f'<ul>{items}</ul>' if items else ''
    return f'<div class="notice {kind}" role="{role}"><p>{html.escape(text)}</p>{further}</div>'


def progress_bar(report: PageReport) -> str:
    """How far some work is, and how long it will take."""
    progress = report.progress
    if report.stopping:
        return message('Cancelling, once this frame is done…')
    if progress is None:
        return _bar('Preparing…', '')
    rate = progress.frames / progress.seconds if progress.seconds else 0
    parts = [f'{progress.frames} frames' if report.total is None else f'{progress.frames} of {report.total} frames']
    if rate:
        parts.append(f'{rate:.2g} a second' if rate < 10 else f'{rate:.0f} a second')
    if rate and report.total is not None:
        parts.append(f'{tqdm.format_interval((report.total - progress.frames) / rate)} left')
    if progress.faces is not None:
        parts.append(f'{progress.faces} face{"s" * (progress.faces != 1)} in view')
    title = 'Finding faces' if progress.step == ANALYSIS else 'Restoring'
    share = '' if not report.total else f'value="{progress.frames / report.total:.4f}"'
    return _bar(title, share, ' · '.join(parts))


def player(path: Path) -> str:
    """A player of one of a page's videos, for browsers that can play it."""
    address = html.escape(f'gradio_api/file={quote(str(path))}')
    return f'<video controls playsinline preload="metadata" src="{address}"></video>'


def tile_styles(element: str, images: Sequence[np.ndarray]) -> str:
    """Styles that put images into the labels of a group of checkboxes.

    Args:
        element (str): The group's `elem_id`.
        images (Sequence[ndarray]): (H, W, 3) uint8 RGB, in the order of the checkboxes.
    """
    labels = f'#{element} [data-testid="checkbox-group"] label'
    rules = [
        f'{labels}:nth-child({place})::before {{ background-image: url(data:image/jpeg;base64,{_jpeg(image)}) }}'
        for place, image in enumerate(images, 1)
    ]
    return f'<style>{"".join(rules)}</style>'


def _bar(title: str, share: str, details: str = '') -> str:
    return (
        f'<div class="notice"><p>{title}</p><progress {share} aria-label="{title}"></progress>'
        f'<p class="details">{html.escape(details)}</p></div>'
    )


def _jpeg(image: np.ndarray) -> str:
    data = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return base64.b64encode(data.tobytes()).decode()
