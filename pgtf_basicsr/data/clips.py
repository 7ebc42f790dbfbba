"""Clips on disk in the VFHQ layout: one folder of frames per clip, one landmark file per clip.

GT/<clip>/00000000.png          frames, PNG or JPEG, in the order of their names
LR_Blind/<clip>/00000000.png    degraded frames of the same names, optional
landmarks/<clip>.txt            lines `<frame> x1 y1 ... x5 y5`, <frame> a frame's name without suffix
meta_info.txt                   lines `<clip> <frames> (<height>,<width>,3) <number of the first frame>`, or
                                `<clip>/<frames>`, optional
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import DataError, UserError
from .remote import is_url, read_text, url_below

_META_LINE = re.compile(
    r'(?P<name>.+?)(?: (?P<frames>\d+) \((?P<height>\d+), ?(?P<width>\d+), ?3\)(?: (?P<first>\d+))?'
    r'|/(?P<length>\d+))'
)


@dataclass(frozen=True)
class Clip:
    """A clip: its name, its number of frames and, where known, their size and the number in the first one's name."""

    name: str
    num_frames: int
    height: int | None = None
    width: int | None = None
    first: int | None = None


def read_meta_info(path: str | Path) -> list[Clip]:
    """Read a list of clips, lines `<clip> <frames> (<height>,<width>,3) <first>` or `<clip>/<frames>`.

    Returns:
        list[Clip]: In the order of the lines; the longer form states everything, the shorter one name and length.

    Raises:
        UserError: The file is missing, or a line is something else.
    """
    clips = []
    for number, line in _numbered_lines(path, 'meta_info_file'):
        found = _META_LINE.fullmatch(line.strip())
        if not found:
            raise UserError(
                f'{path}, line {number}: {line!r} should be <clip> <number of frames> (<height>,<width>,3) '
                '<number of the first frame> or <clip>/<number of frames>'
            )
        name = found['name']
        count = int(found['frames'] or found['length'])
        rest = (int(found[part]) if found[part] else None for part in ('height', 'width', 'first'))
        clips.append(Clip(name, count, *rest))
    return clips


def write_meta_info(path: str | Path, clips: Iterable[Clip]) -> None:
    """Write a list of clips that know their size and first frame, in the longer form that `read_meta_info` reads."""
    Path(path).write_text(
        ''.join(f'{clip.name} {clip.num_frames} ({clip.height},{clip.width},3) {clip.first}\n' for clip in clips)
    )


def read_landmarks(path: str | Path, frames: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read five landmarks (5, 2) float64 by frame name.

    Args:
        path (str | Path): The file.
        frames (Iterable[str], optional): Names of the frames to read; None reads all. Those that the file does not
            have are not in the result.

    Raises:
        DataError: The file is missing, or a line is something else.
    """
    chosen = None if frames is None else set(frames)
    landmarks = {}
    for number, line in _numbered_lines(path, 'dataroot_landmarks'):
        frame, _, values = line.lstrip().replace('\t', ' ').partition(' ')
        if chosen is not None and frame not in chosen:
            continue
        try:
            landmarks[frame] = np.array(values.split(), dtype=np.float64).reshape(5, 2)
        except ValueError as error:
            raise DataError(f'{path}, line {number}: expected `<frame> x1 y1 ... x5 y5`') from error
    return landmarks


def write_landmarks(path: str | Path, landmarks: dict[str, np.ndarray]) -> None:
    """Write landmarks, a dict of (5, 2) arrays by frame name, as `read_landmarks` reads them."""
    lines = [' '.join([frame, *(f'{value:.3f}' for value in points.ravel())]) for frame, points in landmarks.items()]
    Path(path).write_text('\n'.join(lines) + '\n')


def frame_name(number: int) -> str:
    """Name of the frame of a number, without suffix."""
    return f'{number:08d}'


def landmark_path(root: str | Path, clip_name: str) -> str | Path:
    """Return the file of a clip's landmarks, below a folder or a URL."""
    inside = resolve_inside(root, f'{clip_name}.txt', 'dataroot_landmarks')
    return url_below(root, f'{clip_name}.txt') if is_url(root) else inside


def find_missing(root: str | Path, names: Iterable[str], option: str) -> list[str]:
    """List the names below a folder that are not there, by one listing of each folder that they are in."""
    listed: dict[Path, set[str]] = {}
    missing = []
    for name in names:
        path = resolve_inside(root, name, option)
        if path.parent not in listed:
            listed[path.parent] = set(os.listdir(path.parent)) if path.parent.is_dir() else set()
        if path.name not in listed[path.parent]:
            missing.append(name)
    return missing


def resolve_inside(root: str | Path, name: str, option: str) -> Path:
    """Return ``root / name``, where ``name`` comes from data and must not lead out of ``root``."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or '..' in relative.parts:
        raise UserError(f'{option}: clip {name!r} leads out of {root}')
    return Path(root) / relative


def _numbered_lines(path, option):
    return [(number, line) for number, line in enumerate(read_text(path, option).splitlines(), 1) if line.strip()]
