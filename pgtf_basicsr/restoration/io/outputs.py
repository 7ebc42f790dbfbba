"""What a restored video is written to: a file, a folder of images, or another program."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ...errors import require
from ...images import write_image
from ...video import VideoReader
from ...video.encoding import choose_encoding
from ...video.fields import PROGRESSIVE
from ...video.formats import VideoFormat, hdr_warning
from ...video.frame import PlanarFrame
from ...video.joining import join_segments
from ...video.segment_writer import SegmentWriter, segment_suffix
from ...video.streams import plan_streams
from ...video.y4m import Y4MWriter, y4m_format
from ..jobs import SEGMENT_FRAMES
from ..settings import Settings
from .segments import FrameWriter, naming
from .sources import PIPE, Source

__all__ = ['ImagesOutput', 'Output', 'StreamOutput', 'VideoOutput', 'output_of']

# It cannot be read a second time, when the frames are restored.
PIPED = 'of what comes through a pipe the frames alone are kept: sound, other streams, chapters and tags are dropped'


class VideoOutput:
    """A video file, joined from segments that are encoded already, with all else that its source has.

    Args:
        path (Path): The file.
        source (Source): What it is restored from.
        settings (Settings): The codec, the size, and which part of the source.

    Attributes:
        path (Path): What messages call it.
        place (Path): What is written.
        format (VideoFormat): What frames to write are to be in.
        segment_suffix (str): Suffix of segments.
        segment_frames (int): Frames of a segment.
        kept (tuple[str, ...]): What is kept of the source beside the frames, a phrase each.
        dropped (tuple[str, ...]): What is not, a sentence each.
        changed (tuple[str, ...]): What is changed, a sentence each.

    Raises:
        UserError: The file cannot hold what it would have to.
    """

    segment_frames = SEGMENT_FRAMES

    def __init__(self, path: Path, source: Source, settings: Settings):
        require(path.resolve() != source.path.resolve(), f'{path} is the input itself: choose another output')
        require(not path.is_dir(), f'cannot write {path}: there is a folder of that name')
        self.path = self.place = path
        self._source, self._size = source, _size(source, settings)
        wanted = _format(source, settings)
        self._field_order = wanted.field_order
        self._encoding = choose_encoding(
            path.suffix, wanted, *self._size, settings.codec, settings.crf, settings.lossless
        )
        self.format = self._encoding.format
        others = source.path if source.path.is_file() else None
        self._plan = plan_streams(others, path, settings.start, settings.end)._replace(start=settings.start)
        self.segment_suffix = segment_suffix(self._encoding)
        hdr = hdr_warning(source.format)
        self.kept, self.dropped = self._plan.kept, self._plan.dropped
        if others is None and isinstance(source, VideoReader) and source.has_others:
            self.dropped = (PIPED,)
        mixed = ('fields become parts of progressive frames by --scale',) if wanted != source.format else ()
        self.changed = (*mixed, *self._encoding.notes, *self._plan.changed, *([hdr] if hdr else []))

    def open_segment(self, path: Path) -> SegmentWriter:
        """Create the writer of a segment."""
        source = self._source
        return SegmentWriter(path, self._encoding, *self._size, source.rate, source.time_base)

    def join(self, segments: Sequence[Path]) -> None:
        """Write the file.

        Raises:
            UserError: It cannot be written.
        """
        source = self._source
        join_segments(segments, self.path, self._plan, source.rate, self.format.color, self._field_order, source.end)


class ImagesOutput:
    """A folder of PNG files, one a frame, of 16 bits where frames have more than 8. It appears when it is complete.

    Args:
        path (Path): The folder.
        source (Source): What it is restored from.

    Attributes: As of `VideoOutput`.

    Raises:
        UserError: There is something of that name, other than an empty folder or a link to one; or a disk is mounted
            there.
    """

    segment_suffix, segment_frames = '.png', 1
    kept: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped = ('a folder of images holds frames alone: no sound, no times, no tags',)

    def __init__(self, path: Path, source: Source):
        # A folder of images is renamed to it, which replaces an empty folder, but neither a link nor a mount point.
        self.path, self.place = path, Path(os.path.realpath(path))
        self.format = VideoFormat(8 if source.format.depth == 8 else 16, 'rgb')
        require(
            not os.path.ismount(self.place), f'{path} is a mount point, which cannot be replaced: name a folder in it'
        )
        is_empty = self.place.is_dir() and not os.listdir(self.place)
        require(is_empty or not os.path.lexists(self.place), f'{path} is not an empty folder: name a new one')

    @contextmanager
    def open_segment(self, path: Path) -> Iterator['ImagesOutput._Image']:
        """Provide the writer of one image."""
        yield self._Image(path)

    def join(self, segments: Sequence[Path]) -> None:
        """Put the images in their place."""
        with naming(self.path):
            os.replace(segments[0].parent, self.place)

    class _Image(NamedTuple):
        path: Path

        def write(self, frame: PlanarFrame) -> None:
            """Write the image."""
            write_image(self.path, frame.planes.to_rgb())


class StreamOutput:
    """A video to another program, frame by frame, as YUV4MPEG2.

    Args:
        source (Source): What it is restored from.
        settings (Settings): The size.

    Attributes: As of `VideoOutput`.
    """

    path = place = Path('standard output')
    kept: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped = ('YUV4MPEG2 holds frames at a constant rate and nothing else: no sound, no tags',)

    def __init__(self, source: Source, settings: Settings):
        self._source, self._size = source, _size(source, settings)
        self.format = y4m_format(_format(source, settings))

    @contextmanager
    def open(self) -> Iterator[FrameWriter]:
        """Provide the writer of the frames.

        Raises:
            UserError: They cannot be written, for example because their reader has ended.
        """
        source = self._source
        require(sys.stdout is not None, 'cannot write standard output: it is closed')
        with naming(self.path), open(sys.stdout.fileno(), 'wb', closefd=False) as file:
            yield Y4MWriter(file, self.format, *self._size, source.rate)


Output: TypeAlias = VideoOutput | ImagesOutput | StreamOutput


def output_of(target: str | Path, source: Source, settings: Settings) -> Output:
    """Choose what to write to by its name.

    Args:
        target (str | Path): - is standard output; without a suffix, it is a folder of images.
        source (Source): What is restored.
        settings (Settings): The codec, and which part of the source.

    Raises:
        UserError: It cannot hold what it would have to, or is not encoded in the way that the settings say.
    """
    if str(target) == PIPE:
        _refuse_encoding('standard output is raw video', settings)
        return StreamOutput(source, settings)
    path = Path(target)
    if not path.suffix or str(target).endswith(os.sep):
        _refuse_encoding(f'{target} is a folder of images', settings)
        return ImagesOutput(path, source)
    return VideoOutput(path, source, settings)


def _refuse_encoding(fact: str, settings: Settings) -> None:
    """Refuse a codec or a quality that is set for something other than a video file.

    Raises:
        UserError: It is.
    """
    given = {'--codec': settings.codec, '--crf': settings.crf, '--lossless': settings.lossless or None}
    for name, value in given.items():
        require(value is None, f'{name} is for a video file, {fact}')


def _size(source: Source, settings: Settings) -> tuple[int, int]:
    """Width and height of the output's frames."""
    width, height = source.width * settings.scale, source.height * settings.scale
    return 2 * width if settings.side_by_side else width, height


def _format(source: Source, settings: Settings) -> VideoFormat:
    """The source's format, but for fields, which are not enlarged one by one."""
    return source.format if settings.scale == 1 else source.format._replace(field_order=PROGRESSIVE)
