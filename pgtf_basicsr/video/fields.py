"""Fields of interlaced frames that stay interlaced: which of them comes first."""

import av
import numpy as np

from .filters import filter_for, pull_frames
from .repacking import repack

__all__ = ['BOTTOM_FIRST', 'PROGRESSIVE', 'TOP_FIRST', 'field_order_of', 'state_fields']

# FFmpeg's codes.
PROGRESSIVE, TOP_FIRST, BOTTOM_FIRST = 1, 2, 3
# As its filter is told.
NAMES = {TOP_FIRST: 'tff', BOTTOM_FIRST: 'bff'}


def field_order_of(frame: av.VideoFrame) -> int:
    """Find which field of a frame is shown first, as its decoder says: one of the codes above.

    PyAV does not say. But what it makes of a frame inherits the order: of a top field of another value than the bottom
    one, a filter that separates them gives it away.
    """
    if not frame.interlaced_frame:
        return PROGRESSIVE
    size, bright = 16, 200
    # By way of 4:4:4, which makes a copy in any case.
    probe = repack(repack(frame, width=size, height=size, format='yuv444p'), format='gray')
    rows = np.zeros((size, probe.planes[0].line_size), np.uint8)
    rows[::2] = bright
    probe.planes[0].update(rows.tobytes())
    probe.pts = 0
    graph = filter_for(probe, 'separatefields')
    graph.push(probe)
    first = next(pull_frames(graph)).planes[0]
    return TOP_FIRST if memoryview(first)[0] == bright else BOTTOM_FIRST


def state_fields(frame: av.VideoFrame, field_order: int) -> av.VideoFrame:
    """Make a frame tell its encoder its field order; it is the same frame where it is progressive."""
    if field_order == PROGRESSIVE:
        return frame
    graph = filter_for(frame, 'setfield', mode=NAMES[field_order])
    graph.push(frame)
    return next(pull_frames(graph))
