"""Ready-made clips to score: folders of frames, and video files.

    <path>                    a video, or a folder of frames: one clip
    <path>/<clip>.mp4         videos
    <path>/<clip>/*.png       folders of frames

Frames are sorted by the numbers in their names.  Every clip is checked before the first is scored.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import UserError
from ..files import list_visible
from ..images import IMAGE_SUFFIXES, is_image_file, read_image
from ..video import VideoReader
from ..video.codecs import VIDEO_SUFFIXES, is_video_file

__all__ = ['FrameFolder', 'VideoFile', 'find_clips']


@dataclass(frozen=True)
class ReadyClip:
    """A checked clip; iterating gives its frames, (H, W, 3) uint8 RGB.

    Attributes:
        path: The video file, or the folder of its frames.
        num_frames: Number of frames.
        width, height: Size of every frame, in pixels.
    """

    path: Path
    num_frames: int
    width: int
    height: int


@dataclass(frozen=True)
class FrameFolder(ReadyClip):
    """A clip as a folder of frames.

    Attributes:
        files: Names of the frame files, in order.
    """

    files: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, files: Sequence[str]) -> 'FrameFolder':
        """Open a clip and check the size of every frame.

        Raises:
            UserError: A file is not an image, or of another size than the first.
        """
        sizes = [_image_size(path / file) for file in files]
        for file, size in zip(files, sizes):
            if size != sizes[0]:
                raise UserError(
                    '{} is {}x{}; the first frame of its clip is {}x{}'.format(path / file, *size, *sizes[0])
                )
        return cls(path, len(files), *sizes[0], tuple(files))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (read_image(self.path / file) for file in self.files)


@dataclass(frozen=True)
class VideoFile(ReadyClip):
    """A clip as a video file."""

    @classmethod
    def open(cls, path: Path) -> 'VideoFile':
        """Open a clip and count its frames by decoding it: the length that a video states is not reliable.

        Raises:
            UserError: It is not a video, or damaged.
        """
        with VideoReader(path) as reader:
            return cls(path, sum(1 for _ in reader), reader.width, reader.height)

    def __iter__(self) -> Iterator[np.ndarray]:
        with VideoReader(self.path) as reader:
            yield from reader.images()


def find_clips(path: str | Path, option: str) -> dict[str, FrameFolder | VideoFile]:
    """Find the clips at a path.

    Args:
        path (str | Path): A video, a folder of frames, or a folder of either.
        option (str): Name of the path in messages.

    Returns:
        dict: {name: FrameFolder | VideoFile}, by name.  A single clip has the name of its file or folder.

    Raises:
        UserError: There are no clips, or two of one name, or one is broken.
    """
    path = Path(path)
    if path.is_file():
        return {path.stem: VideoFile.open(path)}
    if not path.is_dir():
        raise UserError(
            f'{option}: there is nothing at {path} (looked for {path.absolute()}); it should be a video, a '
            'folder of frames, or a folder of either'
        )
    frames = _frame_files(path)
    if frames:
        return {path.absolute().name: FrameFolder.open(path, frames)}
    clips: dict[str, FrameFolder | VideoFile] = {}
    for entry in map(path.joinpath, list_visible(path)):
        clip = _open_entry(entry)
        if clip is None:
            continue
        name = entry.name if entry.is_dir() else entry.stem
        if name in clips:
            raise UserError(f'{option}: {clips[name].path} and {entry} are two clips of one name')
        clips[name] = clip
    if not clips:
        raise UserError(
            f'{option}: {path} holds no frames ({", ".join(IMAGE_SUFFIXES)}), no folders of frames and no '
            f'videos ({", ".join(VIDEO_SUFFIXES)})'
        )
    return clips


def _open_entry(entry: Path) -> FrameFolder | VideoFile | None:
    """Open the clip of a folder's entry; None where it is something else."""
    if entry.is_dir():
        files = _frame_files(entry)
        return FrameFolder.open(entry, files) if files else None
    return VideoFile.open(entry) if is_video_file(entry.name) else None


def _image_size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except OSError as error:
        raise UserError(f'{path} cannot be read as an image') from error


def _frame_files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(filter(is_image_file, os.listdir(folder)), key=_numbers_apart))


def _numbers_apart(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which frame_10 comes after frame_9."""
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part) for part in re.split(r'(\d+)', name) if part], name
