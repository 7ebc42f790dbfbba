"""Previews: some seconds of a restored video, and an image of one of its frames before and after."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from ..files import replacing
from ..images import write_image
from ..video.color import to_uint8
from .faces.analysis import file_beside, square_width
from .faces.choice import FaceChoice
from .io.segments import naming
from .io.sources import open_source
from .settings import Settings

__all__ = ['comparison_path', 'preview_part', 'write_comparison']


def preview_part(
    path: str | Path, settings: Settings, faces: FaceChoice | None, warn: Callable[[str], object]
) -> tuple[Settings, FaceChoice | None]:
    """Choose the part of a video for a preview: from its start, or from the first frame with a face to restore.

    Args:
        path (Path): The video.
        settings (Settings): How much of it.
        faces (FaceChoice, optional): What is restored, if it is not the frames as a whole.
        warn (Callable): Takes a line that says that it begins later.

    Returns:
        tuple: Settings for that part, and its faces.
    """
    length, first = settings.preview or Fraction(0), 0
    part = _from(settings, settings.start, length)
    if faces is None:
        return part, None
    frames = _count(path, part)
    if faces.counts.any() and not faces.counts[:frames].any():
        first = int(np.argmax(faces.counts > 0))
        start = _time_of(path, settings, first)
        warn(f'the preview begins at {float(start):g} s, where the first face that is restored comes into view')
        part = _from(settings, start, length)
        frames = _count(path, part)
    return part, faces.part(first, frames)


def write_comparison(path: str | Path, target: Path, settings: Settings, number: int) -> None:
    """Write an image of a frame before, to the left, and after, beside the output.

    Args:
        path (Path): The input.
        target (Path): The output.
        settings (Settings): The part that was restored.
        number (int): Number of the frame in the output.

    Raises:
        UserError: A file cannot be read or written.
    """
    after = _frame(target, Settings(), number)
    both = after
    if not settings.side_by_side:
        before = cv2.resize(_frame(path, settings, number), after.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        both = np.hstack((before, after))
    image = comparison_path(target)
    with naming(image), replacing(image) as partial:
        write_image(partial, both)


def comparison_path(target: str | Path) -> Path:
    """Name the image of `write_comparison`: out.mov.preview.png beside out.mov."""
    return file_beside(target, '.preview.png')


def _from(settings: Settings, start: Fraction | None, length: Fraction) -> Settings:
    end = (start or Fraction(0)) + length
    return replace(settings, start=start, end=end if settings.end is None else min(end, settings.end))


def _count(path: str | Path, settings: Settings) -> int:
    with open_source(path, settings, lambda damage: None) as source:
        return sum(1 for _ in source)


def _time_of(path: str | Path, settings: Settings, number: int) -> Fraction:
    with open_source(path, settings, lambda damage: None) as source:
        return next(islice(source, number, None)).time


def _frame(path: str | Path, settings: Settings, number: int) -> np.ndarray:
    """Read a frame, or the last one where there are fewer, as uint8 RGB of square pixels."""
    with open_source(path, settings, lambda damage: None) as source:
        for frame in islice(source, number + 1):
            image = to_uint8(frame.image)
        return cv2.resize(image, (square_width(source), source.height), interpolation=cv2.INTER_AREA)
