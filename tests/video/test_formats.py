"""What files of every kind say about their samples, against what they were written with."""

from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.formats import ALPHA_NOTE, Color, format_of

CASES = [
    # encoder, pixel format, files, depth, chroma, whether the range is full
    ('libx264', 'yuv420p', ('mp4', 'mov', 'mkv', 'avi', 'ts', 'flv'), 8, '420', False),
    ('libx264', 'yuvj420p', ('mp4', 'mkv', 'ts'), 8, '420', True),
    ('libx264', 'yuv422p10le', ('mp4', 'mkv', 'avi'), 10, '422', False),
    ('libx264', 'yuv444p', ('mp4', 'mkv'), 8, '444', False),
    ('libx265', 'yuv420p10le', ('mp4', 'mov', 'mkv', 'ts'), 10, '420', False),
    ('libx265', 'yuv444p12le', ('mp4', 'mkv'), 12, '444', False),
    ('libsvtav1', 'yuv420p10le', ('mp4', 'mkv', 'webm'), 10, '420', False),
    ('libvpx-vp9', 'yuv422p', ('mp4', 'mkv', 'webm'), 8, '422', False),
    ('prores_ks', 'yuv422p10le', ('mov', 'mkv', 'mxf'), 10, '422', False),
    ('ffv1', 'yuv420p16le', ('mkv', 'avi'), 16, '420', False),
    ('mjpeg', 'yuvj422p', ('mov', 'mkv', 'avi'), 8, '422', True),
    ('mpeg2video', 'yuv420p', ('mkv', 'ts', 'mpg', 'mxf'), 8, '420', False),
    ('png', 'rgb24', ('mov',), 8, 'rgb', False),
    ('ffv1', 'gbrp10le', ('mkv',), 10, 'rgb', False),
    ('ffv1', 'gray', ('mkv',), 8, '420', True),
    ('rawvideo', 'yuv411p', ('avi',), 8, '420', False),
]
FILES = [(codec, name, suffix, *rest) for codec, name, suffixes, *rest in CASES for suffix in suffixes]


def write_gray(path, codec, pixel_format, color=None):
    """Write frames of 40 % gray."""
    options = {'x265-params': 'log-level=none'} if codec == 'libx265' else {}
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        context = stream.codec_context
        if color:
            context.colorspace, context.color_primaries, context.color_trc = color
        if pixel_format.startswith('yuvj'):
            context.color_range = 2
        image = np.full((48, 64, 3), 102, np.uint8)
        for _ in range(12):
            frame = av.VideoFrame.from_ndarray(image, 'rgb24').reformat(format=pixel_format, interpolation='BICUBIC')
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize('codec, pixel_format, suffix, depth, chroma, full_range', FILES)
def test_depth_subsampling_and_range_are_read(tmp_path, codec, pixel_format, suffix, depth, chroma, full_range):
    path = write_gray(tmp_path / f'v.{suffix}', codec, pixel_format)
    with VideoReader(path) as reader:
        format = reader.format
        frame = next(reader.images())
    assert (format.depth, format.chroma, format.full_range) == (depth, chroma, full_range)
    assert np.abs(frame.astype(int) - 102).max() <= 2


@pytest.mark.parametrize('color', [Color(1, 1, 1), Color(9, 9, 16), Color(9, 9, 18), Color(6, 6, 6), Color(5, 5, 6)])
@pytest.mark.parametrize('codec, suffix', [('libx264', 'mp4'), ('libx265', 'mkv'), ('libsvtav1', 'webm')])
def test_colours_are_read(tmp_path, codec, suffix, color):
    path = write_gray(tmp_path / f'v.{suffix}', codec, 'yuv420p10le', color)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert format_of(frame, container.streams.video[0].codec_context).color == color


def test_pixel_aspect_is_read(tmp_path):
    with av.open(str(tmp_path / 'v.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height = 64, 48
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        container.mux(stream.encode(av.VideoFrame(64, 48)))
        container.mux(stream.encode())
    with VideoReader(tmp_path / 'v.mp4') as reader:
        assert reader.format.pixel_aspect == Fraction(16, 11)


@pytest.mark.parametrize(
    'codec, pixel_format, suffix, has_alpha',
    [
        ('prores_ks', 'yuva444p10le', 'mov', True),
        ('ffv1', 'yuva420p', 'mkv', True),
        ('ffv1', 'bgra', 'mkv', True),
        ('png', 'rgba', 'mov', True),
        ('png', 'ya8', 'mov', True),
        ('prores_ks', 'yuv444p10le', 'mov', False),
        ('ffv1', 'gbrp10le', 'mkv', False),
        ('ffv1', 'bgr0', 'mkv', False),
        ('png', 'rgb24', 'mov', False),
        ('png', 'gray', 'mov', False),
    ],
)
def test_alpha_is_named_before_the_first_frame(tmp_path, codec, pixel_format, suffix, has_alpha):
    with VideoReader(write_gray(tmp_path / f'v.{suffix}', codec, pixel_format)) as reader:
        assert reader.warnings == ([ALPHA_NOTE] if has_alpha else [])
        assert np.abs(next(reader.images()).astype(int) - 102).max() <= 2
