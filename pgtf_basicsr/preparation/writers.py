"""Writers of a clip's files into its staging folder, from where `layout` moves them."""

import os
import shutil
from pathlib import Path

import numpy as np

from ..data.clips import frame_name, write_landmarks
from ..images import write_image
from .segments import Segment

__all__ = ['FrameWriter', 'link_or_copy', 'move_over', 'stage_landmarks']


class FrameWriter:
    """A folder of PNG files, written frame by frame.

    Args:
        folder (Path): The folder to make.
        first (int): Number of the first frame.
    """

    def __init__(self, folder: Path, first: int):
        self._folder, self._number = folder, first
        folder.mkdir(parents=True)

    def write(self, frame: np.ndarray) -> None:
        """Append a frame (H, W, 3) uint8 RGB."""
        write_image(self._folder / f'{frame_name(self._number)}.png', frame)
        self._number += 1

    def close(self) -> None:
        """Do nothing: every frame is already written."""


def link_or_copy(source: str, target: Path) -> None:
    """Give a file a second name, or copy it where that is not possible, such as on another file system."""
    # A link to a link would break with it.
    source = os.path.realpath(source)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def move_over(source: Path, target: Path) -> None:
    """Rename a file or folder, over whatever a killed run left at the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)


def stage_landmarks(staging: Path, segment: Segment) -> None:
    """Write a segment's landmarks."""
    folder = staging / 'landmarks'
    folder.mkdir(parents=True, exist_ok=True)
    write_landmarks(folder / f'{segment.name}.txt', dict(zip(map(frame_name, segment.numbers), segment.landmarks)))
