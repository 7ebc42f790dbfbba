"""What a restored video is written to: a file, a folder of images, or another program."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ..errors import require
from ..video.encoding import choose_encoding
from ..video.formats import hdr_warning
from ..video.joining import join_segments
from ..video.segment_writer import SegmentWriter, segment_suffix
from ..video.streams import plan_streams
from ..video.y4m import Y4MWriter, y4m_format
from .settings import Settings
from .sources import PIPE, Source

__all__ = ['Output', 'StreamOutput', 'VideoOutput', 'output_of']


class VideoOutput:
    """A video file, joined from segments that are encoded already, with all else that its source has.

    Args:
        path (Path): The file.
        source (Source): What it is restored from.
        settings (Settings): The codec, and which part of the source.

    Attributes:
        segment_suffix (str): Suffix of segments.
        kept (tuple[str, ...]): What is kept of the source beside the frames, a phrase each.
        dropped (tuple[str, ...]): What is not, a sentence each.
        changed (tuple[str, ...]): What is changed, a sentence each.

    Raises:
        UserError: The file cannot hold what it would have to.
    """

    def __init__(self, path: Path, source: Source, settings: Settings):
        require(path.resolve() != source.path.resolve(), f'{path} is the input itself: choose another output')
        require(not path.is_dir(), f'cannot write {path}: there is a folder of that name')
        self.path, self._source = path, source
        self._encoding = choose_encoding(
            path.suffix, source.format, source.width, source.height, settings.codec, settings.crf, settings.lossless
        )
        self._plan = plan_streams(source.path, path, settings.start, settings.end)
        self.segment_suffix = segment_suffix(self._encoding)
        hdr = hdr_warning(source.format)
        self.kept, self.dropped = self._plan.kept, self._plan.dropped
        self.changed = (*self._encoding.notes, *([hdr] if hdr else []))

    def open_segment(self, path: Path) -> SegmentWriter:
        """Create the writer of a segment."""
        source = self._source
        return SegmentWriter(path, self._encoding, source.width, source.height, source.rate, source.time_base)

    def join(self, segments: Sequence[Path]) -> None:
        """Write the file.

        Raises:
            UserError: It cannot be written.
        """
        join_segments(segments, self.path, self._plan, self._source.rate, self._encoding.format.color)


class StreamOutput:
    """A video to another program, frame by frame, as YUV4MPEG2.

    Args:
        source (Source): What it is restored from.

    Attributes: As of `VideoOutput`.
    """

    kept: tuple[str, ...] = ()

    def __init__(self, source: Source):
        self._source = source
        self._format = y4m_format(source.format)
        self.dropped = (
            'YUV4MPEG2 holds frames at a constant rate and nothing else: no audio, no times, no colour tags',
        )
        self.changed: tuple[str, ...] = ()

    def open(self) -> Y4MWriter:
        """Create the writer of the frames."""
        source = self._source
        return Y4MWriter(sys.stdout.buffer, self._format, source.width, source.height, source.rate)


Output: TypeAlias = VideoOutput | StreamOutput


def output_of(target: str | Path, source: Source, settings: Settings) -> Output:
    """Choose what to write to by its name: - is standard output.

    Raises:
        UserError: It cannot hold what it would have to.
    """
    if str(target) == PIPE:
        return StreamOutput(source)
    return VideoOutput(Path(target), source, settings)
