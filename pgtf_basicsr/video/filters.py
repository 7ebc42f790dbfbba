"""FFmpeg's filters for frames of one size and format."""

from collections.abc import Iterator

import av
from av.filter import Graph

__all__ = ['filter_for', 'pull_frames']


def filter_for(frame: av.VideoFrame, name: str, **options: str) -> Graph:
    """Set up a filter for frames like this one.

    Raises:
        av.FFmpegError: FFmpeg cannot filter it.
    """
    graph = Graph()
    source = graph.add(
        'buffer',
        video_size=f'{frame.width}x{frame.height}',
        pix_fmt=frame.format.name,
        time_base=str(frame.time_base),
        colorspace=str(frame.colorspace),
        range=str(frame.color_range),
    )
    graph.link_nodes(source, graph.add(name, **options), graph.add('buffersink'))
    graph.configure()
    return graph


def pull_frames(graph: Graph) -> Iterator[av.VideoFrame]:
    """Yield the frames that are ready."""
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        if isinstance(frame, av.VideoFrame):
            yield frame
