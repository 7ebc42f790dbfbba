"""Interlaced video that stays interlaced says so, and which field comes first."""

from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.encoding import choose_encoding
from pgtf_basicsr.video.fields import BOTTOM_FIRST, PROGRESSIVE, TOP_FIRST, field_order_of, state_fields
from pgtf_basicsr.video.formats import VideoFormat
from pgtf_basicsr.video.orientation import Orientation

from .test_deinterlacing import COUNT, write_fields

CODES = {'tff': TOP_FIRST, 'bff': BOTTOM_FIRST}


@pytest.mark.parametrize('order', CODES)
@pytest.mark.parametrize('codec, suffix', [('libx264', 'mp4'), ('mpeg2video', 'mpg'), ('ffv1', 'mkv')])
def test_the_order_is_that_of_the_decoder(tmp_path, codec, suffix, order):
    path = tmp_path / f'v.{suffix}'
    write_fields(path, codec, 'yuv420p', order)
    with VideoReader(path, deinterlace='off') as reader:
        assert reader.format.field_order == CODES[order]
    with VideoReader(path) as reader:
        assert reader.format.field_order == PROGRESSIVE


def test_progressive_video_has_none(tmp_path):
    write_fields(tmp_path / 'v.mp4', 'libx264', 'yuv420p', 'tff', progressive=COUNT)
    with VideoReader(tmp_path / 'v.mp4', deinterlace='off') as reader:
        assert reader.format.field_order == PROGRESSIVE


def first_field(frame):
    """Whether even or odd rows of a frame are shown first, by FFmpeg's own filter."""
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=64, height=48, format=frame.format, time_base=1),
        graph.add('separatefields'),
        graph.add('buffersink'),
    )
    graph.configure()
    graph.push(frame)
    rows = frame.to_ndarray(format='gray')
    shown = graph.pull().to_ndarray(format='gray')
    return [parity for parity in (0, 1) if (rows[parity::2] == shown).all()]


@pytest.mark.parametrize('order', CODES.values())
@pytest.mark.parametrize('codec', ['h264', 'ffv1', 'prores'])
def test_encoders_state_it(tmp_path, codec, order):
    suffix = '.mov' if codec == 'prores' else '.mkv'
    format = VideoFormat(field_order=order)
    encoding = choose_encoding(suffix, format, 64, 48, codec)
    assert encoding.notes == () and encoding.format.field_order == order
    with av.open(str(tmp_path / f'v{suffix}'), 'w') as container:
        stream = container.add_stream(encoding.encoder, rate=25, options=dict(encoding.options))
        stream.width, stream.height, stream.pix_fmt = 64, 48, encoding.format.pixel_format
        frame = striped(encoding.format.pixel_format)
        container.mux(stream.encode(state_fields(frame, order)))
        container.mux(stream.encode())
    with av.open(str(tmp_path / f'v{suffix}')) as container:
        (written,) = container.decode(video=0)
    assert written.interlaced_frame and field_order_of(written) == order
    assert first_field(written) == [0 if order == TOP_FIRST else 1]


def striped(pixel_format):
    rows = (np.arange(48) % 2 * 100 + 50).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(np.tile(rows[:, None, None], (1, 64, 3)), 'rgb24').reformat(format=pixel_format)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return frame


@pytest.mark.parametrize('codec, suffix', [('hevc', '.mp4'), ('vp9', '.webm'), ('av1', '.mkv')])
def test_codecs_that_cannot_say_it_are_named(codec, suffix):
    encoding = choose_encoding(suffix, VideoFormat(field_order=TOP_FIRST), 64, 48, codec)
    assert encoding.format.field_order == PROGRESSIVE
    (note,) = encoding.notes
    assert note.startswith('fields stay, but ') and note.endswith(' does not state that frames are interlaced')


def test_turning_frames_turns_their_fields():
    assert Orientation(upside_down=True).field_order(TOP_FIRST) == BOTTOM_FIRST
    assert Orientation(mirrored=True).field_order(TOP_FIRST) == TOP_FIRST
    assert Orientation(transposed=True).field_order(TOP_FIRST) == PROGRESSIVE
