"""Clips on disk in the VFHQ layout: one folder of frames per clip, one landmark file per clip.

    GT/<clip>/00000000.png          frames, PNG or JPEG, in the order of their names
    LR_Blind/<clip>/00000000.png    degraded frames of the same names, optional
    landmarks/<clip>.txt            lines `<frame> x1 y1 ... x5 y5`, <frame> a frame's name without suffix
    meta_info.txt                   lines `<clip>/<number of frames>`, optional
"""
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from ..errors import UserError

FRAME_SUFFIXES = ('.png', '.jpg', '.jpeg')


@dataclass(frozen=True)
class Clip:
    """A clip's name and its number of frames."""
    name: str
    num_frames: int


class FrameFolders:
    """A folder that holds one folder of frames per clip.

    Args:
        root: the folder.
        option: name of the option it comes from, for messages.

    Raises:
        UserError: there is no such folder.
    """

    def __init__(self, root, option):
        self.root = Path(root)
        self.option = option
        if not self.root.is_dir():
            raise UserError(f'{option}: no folder {self.root}; it should hold one folder of frames per clip, '
                            '<clip>/00000000.png')

    def list_clips(self):
        """All clips, by name, with their frames counted."""
        names = sorted(entry.name for entry in self.root.iterdir() if entry.is_dir())
        return [Clip(name, len(self.frame_paths(name))) for name in names]

    def clip_folder(self, clip_name):
        """A clip's folder, whether it exists or not."""
        return resolve_inside(self.root, clip_name, self.option)

    def frame_paths(self, clip_name):
        """Paths of a clip's frames by frame name (file name without suffix), in order."""
        folder = self.clip_folder(clip_name)
        try:
            # Strings and not Paths: a clip may have hundreds of frames, and this runs for every item.
            files = sorted(os.listdir(folder))
        except OSError as error:
            raise UserError(f'{self.option}: cannot list clip folder {folder}: {error.strerror}') from error
        names = [os.path.splitext(file) for file in files]
        return {stem: os.path.join(folder, stem + suffix)
                for stem, suffix in names if suffix.lower() in FRAME_SUFFIXES}


def read_meta_info(path):
    """Clips of a list file with lines `<clip>/<number of frames>`.

    Raises:
        UserError: the file is missing, or a line is something else.
    """
    clips = []
    for number, line in _numbered_lines(path, 'meta_info_file'):
        name, _, length = line.rpartition('/')
        if not (name and length.isdigit()):
            raise UserError(f'{path}, line {number}: {line!r} should be <clip>/<number of frames>')
        clips.append(Clip(name, int(length)))
    return clips


def read_landmarks(path):
    """Five landmarks (5, 2) float64 by frame name.

    Raises:
        UserError: the file is missing, or a line is something else.
    """
    landmarks = {}
    for number, line in _numbered_lines(path, 'dataroot_landmarks'):
        frame, *values = line.split()
        try:
            landmarks[frame] = np.array(values, dtype=np.float64).reshape(5, 2)
        except ValueError as error:
            raise UserError(f'{path}, line {number}: expected `<frame> x1 y1 ... x5 y5`') from error
    return landmarks


def write_landmarks(path, landmarks):
    """Write landmarks, a dict of (5, 2) arrays by frame name, as `read_landmarks` reads them."""
    lines = [' '.join([frame, *(f'{value:.3f}' for value in points.ravel())])
             for frame, points in landmarks.items()]
    Path(path).write_text('\n'.join(lines) + '\n')


def read_frame(path):
    """An image file as (H, W, 3) uint8 RGB.

    Raises:
        UserError: the file cannot be read or is not a whole image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f'cannot read frame {path}: {error.strerror}') from error
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise UserError(f'frame {path} ({len(data)} bytes) is not a whole image; '
                        'write it again or leave its clip out')
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_frame(path, frame):
    """Write (H, W, 3) uint8 RGB as an image file of the kind its suffix names."""
    _, data = cv2.imencode(Path(path).suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    Path(path).write_bytes(data.tobytes())


def resolve_inside(root, name, option):
    """``root / name``, where ``name`` comes from data and must not lead out of ``root``."""
    relative = PurePosixPath(name)
    if relative.is_absolute() or '..' in relative.parts:
        raise UserError(f'{option}: clip {name!r} leads out of {root}')
    return Path(root) / relative


def _numbered_lines(path, option):
    try:
        lines = Path(path).read_text().splitlines()
    except OSError as error:
        raise UserError(f'{option}: cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise UserError(f'{option}: {path} is not a text file') from error
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
