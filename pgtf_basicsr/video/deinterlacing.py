"""Interlaced video to progressive, with FFmpeg's bwdif, one frame for two fields."""

from collections.abc import Iterator

import av
from av.filter import Graph

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
            self._graph, self._input = self._make_graph(frame), shape
            self.active = True
        self._graph.push(frame)
        yield from self._pull()

    def finish(self) -> Iterator[av.VideoFrame]:
        """Yield the last frame, if it is still being filtered."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = None

    def _make_graph(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        source = graph.add(
            'buffer',
            video_size=f'{frame.width}x{frame.height}',
            pix_fmt=frame.format.name,
            time_base=str(frame.time_base),
            colorspace=str(frame.colorspace),
            range=str(frame.color_range),
        )
        bwdif = graph.add(
            'bwdif', mode='send_frame', parity='auto', deint='all' if self._mode == 'on' else 'interlaced'
        )
        graph.link_nodes(source, bwdif, graph.add('buffersink'))
        graph.configure()
        return graph

    def _pull(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            if isinstance(frame, av.VideoFrame):
                yield frame
