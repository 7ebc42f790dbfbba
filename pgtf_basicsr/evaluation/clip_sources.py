"""Ready-made clips to score: folders of frames, and video files.

    <path>                    a video, or a folder of frames: one clip
    <path>/<clip>.mp4         videos
    <path>/<clip>/*.png       folders of frames

Frames are taken in the order of the numbers in their names.  Every clip is looked through before the first is scored.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import UserError
from ..images import IMAGE_SUFFIXES, read_image
from ..video import VideoReader
from ..video.codecs import VIDEO_SUFFIXES

__all__ = ['FrameFolder', 'VideoFile', 'find_clips']


@dataclass(frozen=True)
class ReadyClip:
    """A clip that has been looked through; iterating gives its frames, (H, W, 3) uint8 RGB.

    Attributes:
        path: The video file, or the folder of its frames.
        num_frames: How many there are.
        width, height: Of every frame, in pixels.
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

    files: tuple

    @classmethod
    def open(cls, path, files):
        """Look at the size of every frame.

        Raises:
            UserError: One is no picture, or of another size than the first.
        """
        sizes = [_picture_size(path / file) for file in files]
        for file, size in zip(files, sizes):
            if size != sizes[0]:
                raise UserError(
                    '{} is {}x{}; the first frame of its clip is {}x{}'.format(path / file, *size, *sizes[0])
                )
        return cls(path, len(files), *sizes[0], files)

    def __iter__(self):
        return (read_image(self.path / file) for file in self.files)


@dataclass(frozen=True)
class VideoFile(ReadyClip):
    """A clip as a video file."""

    @classmethod
    def open(cls, path):
        """Decode all of it once: what a video states of its length cannot be relied on.

        Raises:
            UserError: It is no video, or damaged.
        """
        with VideoReader(path) as reader:
            return cls(path, sum(1 for _ in reader), reader.width, reader.height)

    def __iter__(self):
        with VideoReader(self.path) as reader:
            yield from reader


def find_clips(path, option):
    """The clips at a path.

    Args:
        path (str | Path): A video, a folder of frames, or a folder of either.
        option (str): What messages call the path.

    Returns:
        dict: {name: FrameFolder | VideoFile}, by name.  A single clip has the name of its file or folder.

    Raises:
        UserError: There are none, or two of one name, or one is broken.
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
    clips = {}
    for entry in sorted(path.iterdir()):
        if entry.is_dir():
            files = _frame_files(entry)
            clip = FrameFolder.open(entry, files) if files else None
        else:
            is_video = entry.suffix.lower() in VIDEO_SUFFIXES
            clip = VideoFile.open(entry) if is_video else None
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


def _picture_size(path):
    try:
        with Image.open(path) as picture:
            return picture.size
    except OSError as error:
        raise UserError(f'{path} cannot be read as a picture') from error


def _frame_files(folder):
    files = [name for name in os.listdir(folder) if name.lower().endswith(tuple(IMAGE_SUFFIXES))]
    return tuple(sorted(files, key=_numbers_apart))


def _numbers_apart(name):
    """Sort key that takes frame_10 for later than frame_9."""
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part) for part in re.split(r'(\d+)', name) if part], name
