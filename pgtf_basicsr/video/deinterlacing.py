"""Interlaced video to progressive, with FFmpeg's bwdif, one frame for two fields."""

from collections.abc import Iterator

import av
from av.filter import Graph

from .filters import filter_for, pull_frames

__all__ = ['DEINTERLACE', 'Deinterlacer']

# What `--deinterlace` takes. With `auto`, frames that are stated to be interlaced are deinterlaced.
DEINTERLACE = ('auto', 'on', 'off')


class Deinterlacer:
    """Deinterlaces the frames of a video as they are decoded. Their number and times stay.

    Decoders say of each frame what it is. With `auto`, a video can begin progressive: filtering starts with the first
    interlaced frame, and what is progressive after it passes through.

    Args:
        mode (str): One of `DEINTERLACE`.

    Attributes:
        active (bool): Whether frames have been deinterlaced.
    """

    def __init__(self, mode: str = 'auto'):
        if mode not in DEINTERLACE:
            raise ValueError(f'{mode} is not one of {", ".join(DEINTERLACE)}')
        self._mode = mode
        self._graph: Graph | None = None
        self._input: tuple[int, int, str] | None = None
        self.active = False

    @property
    def note(self) -> str | None:
        """What a user is told once frames are being deinterlaced."""
        if not self.active:
            return None
        if self._mode == 'on':
            return 'all frames are deinterlaced (bwdif), whatever the video states'
        return 'the video is interlaced: it is deinterlaced (bwdif); --deinterlace off keeps its fields'

    def add(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """Take a frame; yield those that are ready: none, one or two.

        Raises:
            av.FFmpegError: FFmpeg cannot filter it.
        """
        shape = frame.width, frame.height, frame.format.name
        if self._graph is not None and shape != self._input:
            yield from self.finish()
        if self._graph is None:
            if self._mode == 'off' or (self._mode == 'auto' and not frame.interlaced_frame):
                yield frame
                return
            deint = 'all' if self._mode == 'on' else 'interlaced'
            self._graph = filter_for(frame, 'bwdif', mode='send_frame', parity='auto', deint=deint)
            self._input = shape
            self.active = True
        self._graph.push(frame)
        yield from pull_frames(self._graph)

    def finish(self) -> Iterator[av.VideoFrame]:
        """Yield the last frame, if it is still being filtered."""
        if self._graph is not None:
            self._graph.push(None)
            yield from pull_frames(self._graph)
            self._graph = None
