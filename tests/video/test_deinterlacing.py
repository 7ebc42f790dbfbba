from fractions import Fraction

import av
import pytest
from av.filter import Graph

from pgtf_basicsr.video.color import to_rgb
from pgtf_basicsr.video.deinterlacing import Deinterlacer

from ..helpers.videos import moving_frames, psnr

RATE = Fraction(30000, 1001)
COUNT = 6


def write_fields(path, codec, pixel_format, order, progressive=0):
    """Write frames of two moments each, the first ones of one, and return the moments that should be shown."""
    moments = moving_frames(2 * COUNT, 64, 48)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        if codec in ('libx264', 'mpeg2video'):
            stream.options = {'b': '4M'} if codec == 'mpeg2video' else {'crf': '5'}
        if progressive < COUNT:
            stream.codec_context.flags |= 0x20000000 | 0x40000  # interlaced motion search and transforms
        for index in range(COUNT):
            early, late = moments[2 * index : 2 * index + 2]
            image = early.copy()
            if index >= progressive:
                image[1 if order == 'tff' else 0 :: 2] = late[1 if order == 'tff' else 0 :: 2]
            frame = marked(image, pixel_format, order if index >= progressive else 'prog')
            frame.pts, frame.time_base = index, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return moments[::2]


def marked(image, pixel_format, field_mode):
    """A frame that says which of its fields comes first, which PyAV cannot make it say."""
    frame = av.VideoFrame.from_ndarray(image, 'rgb24')
    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=64, height=48, format=frame.format, time_base=1),
        graph.add('scale', interl='0' if field_mode == 'prog' else '1'),  # fields have chroma of their own
        graph.add('format', pix_fmts=pixel_format),
        graph.add('setparams', field_mode=field_mode),
        graph.add('buffersink'),
    )
    graph.configure()
    graph.push(frame)
    return graph.pull()


def deinterlaced(path, mode):
    deinterlacer = Deinterlacer(mode)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(video=0) for out in deinterlacer.add(frame)]
        frames += deinterlacer.finish()
    return frames, deinterlacer


@pytest.mark.parametrize('order', ['tff', 'bff'])
@pytest.mark.parametrize(
    'name, codec, pixel_format',
    [
        ('v.mp4', 'libx264', 'yuv420p'),
        ('v.mkv', 'libx264', 'yuv422p10le'),
        ('v.ts', 'mpeg2video', 'yuv420p'),
        ('v.mov', 'prores_ks', 'yuv422p10le'),
        ('v.avi', 'ffv1', 'yuv422p'),
    ],
)
def test_each_frame_shows_one_moment(tmp_path, name, codec, pixel_format, order):
    moments = write_fields(tmp_path / name, codec, pixel_format, order)
    woven, off = deinterlaced(tmp_path / name, 'off')
    frames, deinterlacer = deinterlaced(tmp_path / name, 'auto')
    assert 'interlaced' in deinterlacer.note and off.note is None
    assert not any(frame.interlaced_frame for frame in frames) and all(frame.interlaced_frame for frame in woven)
    times = [[frame.pts * frame.time_base for frame in kind] for kind in (woven, frames)]
    assert times[0] == times[1] and len(frames) == COUNT
    for index in range(1, COUNT - 1):
        apart, together = (psnr(to_eight_bits(kind[index]), moments[index]) for kind in (woven, frames))
        assert together > apart + 4


def to_eight_bits(frame):
    image = to_rgb(frame)
    return image if image.itemsize == 1 else image / 257


def test_progressive_video_is_left_alone(tmp_path):
    write_fields(tmp_path / 'v.mp4', 'libx264', 'yuv420p', 'tff', progressive=COUNT)
    plain, _ = deinterlaced(tmp_path / 'v.mp4', 'off')
    frames, deinterlacer = deinterlaced(tmp_path / 'v.mp4', 'auto')
    assert deinterlacer.note is None
    assert all((to_rgb(a) == to_rgb(b)).all() for a, b in zip(plain, frames))
    _, forced = deinterlaced(tmp_path / 'v.mp4', 'on')
    assert forced.active and 'is interlaced' not in forced.note


def test_interlaced_parts_are_found_where_they_begin(tmp_path):
    write_fields(tmp_path / 'v.avi', 'ffv1', 'yuv422p', 'tff', progressive=3)
    plain, _ = deinterlaced(tmp_path / 'v.avi', 'off')
    frames, deinterlacer = deinterlaced(tmp_path / 'v.avi', 'auto')
    assert deinterlacer.active and len(frames) == COUNT
    same = [bool((to_rgb(a) == to_rgb(b)).all()) for a, b in zip(plain, frames)]
    assert same[:3] == [True] * 3 and not any(same[3:])
    assert [frame.pts * frame.time_base for frame in frames] == [frame.pts * frame.time_base for frame in plain]


@pytest.mark.parametrize('count', [0, 1, 2])
def test_very_short_videos(count):
    deinterlacer = Deinterlacer('on')
    frames = []
    for index in range(count):
        frame = av.VideoFrame.from_ndarray(moving_frames(1, 64, 48)[0], 'rgb24').reformat(format='yuv420p')
        frame.pts, frame.time_base = index, Fraction(1, 25)
        frames += deinterlacer.add(frame)
    frames += deinterlacer.finish()
    assert len(frames) == count
