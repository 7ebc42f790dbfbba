"""What decoders attach to frames beside their samples."""

import av
from av.buffer import Buffer
from av.sidedata.sidedata import Type

from .filters import filter_for, pull_frames

__all__ = ['side_data_of']

# Kinds, of today's FFmpeg and of later ones, that PyAV does not know: FFmpeg 8 attaches EXIF (31) to frames of JPEG.
UNKNOWN_KINDS = sorted(set(range(64)).difference(kind.value for kind in Type))


def side_data_of(frame: av.VideoFrame, kind: str) -> bytes | None:
    """Copy side data of a frame; None where it has none of that kind.

    Args:
        frame (VideoFrame): The frame.
        kind (str): A name of PyAV's `av.sidedata.sidedata.Type`.
    """
    try:
        data = frame.side_data.get(kind)
    except ValueError:  # PyAV reads all side data or none
        data = _without_unknown(frame).side_data.get(kind)
    return bytes(data) if isinstance(data, Buffer) else None


def _without_unknown(frame: av.VideoFrame) -> av.VideoFrame:
    for kind in UNKNOWN_KINDS:
        graph = filter_for(frame, 'sidedata', mode='delete', type=str(kind))
        graph.push(frame)
        frame = next(pull_frames(graph))
    return frame
