"""Y4M, read back by FFmpeg."""

import io
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.video.chroma import CENTER, LEFT, TOP_LEFT
from pgtf_basicsr.video.color import to_rgb
from pgtf_basicsr.video.formats import VideoFormat, chroma_location
from pgtf_basicsr.video.frame import PlanarFrame
from pgtf_basicsr.video.planes import to_planes
from pgtf_basicsr.video.y4m import FORMAT, Y4MWriter, y4m_format

from ..helpers.samples import colourful, frame_of, samples, ycbcr

RATE = Fraction(30000, 1001)


class Pipe(io.RawIOBase):
    """What can be written to, or read from, but not moved in."""

    def __init__(self, data=b''):
        self._stream = io.BytesIO(data)

    def write(self, data):
        return self._stream.write(data)

    def read(self, size=-1):
        return self._stream.read(size)

    def readable(self):
        return True

    def writable(self):
        return True

    @property
    def contents(self):
        return self._stream.getvalue()


@pytest.mark.parametrize('full_range', [False, True], ids=['limited', 'full'])
@pytest.mark.parametrize('chroma', ['420', '422', '444'])
@pytest.mark.parametrize('depth', [8, 10, 12])
def test_samples_arrive_as_they_are(depth, chroma, full_range):
    format = VideoFormat(depth, chroma, full_range, chroma_location=LEFT)
    before = [
        frame_of(ycbcr(colourful(index, 66, 48), depth, full_range, 1), format.pixel_format, 1, full_range)
        for index in range(3)
    ]
    pipe = Pipe()
    writer = Y4MWriter(pipe, y4m_format(format), 66, 48, RATE)
    for index, frame in enumerate(before):
        writer.write(PlanarFrame(to_planes(to_rgb(frame, LEFT), y4m_format(format)), index / RATE, 1 / RATE))
    with av.open(Pipe(pipe.contents), 'r', format=FORMAT) as container:
        stream = container.streams.video[0]
        after = list(container.decode(stream))
        assert (stream.width, stream.height, stream.average_rate) == (66, 48, RATE)
    assert [frame.pts * frame.time_base for frame in after] == [index / RATE for index in range(3)]
    for a, b in zip(before, after):
        assert a.format.name == b.format.name.replace('yuvj', 'yuv') and b.color_range == (2 if full_range else 1)
        assert all(np.abs(old - new).max() <= 1 for old, new in zip(samples(a), samples(b)))


def black_frame(size, format):
    return PlanarFrame(to_planes(np.zeros((size, size, 3), np.uint8), format), Fraction(0), 1 / RATE)


@pytest.mark.parametrize('location', [LEFT, CENTER, TOP_LEFT])
def test_the_chroma_location_and_pixel_aspect_are_stated(location):
    pipe = Pipe()
    format = y4m_format(VideoFormat(chroma_location=location, pixel_aspect=Fraction(16, 11)))
    Y4MWriter(pipe, format, 16, 16, RATE).write(black_frame(16, format))
    with av.open(Pipe(pipe.contents), 'r', format=FORMAT) as container:
        assert chroma_location(next(container.decode(video=0))) == location
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_rgb_is_written_in_full_resolution():
    assert y4m_format(VideoFormat(16, 'rgb')).pixel_format == 'yuv444p16le'


def test_a_reader_that_leaves_ends_it():
    reader = subprocess.Popen([sys.executable, '-c', 'pass'], stdin=subprocess.PIPE)
    reader.wait()
    with pytest.raises(BrokenPipeError):
        Y4MWriter(reader.stdin, VideoFormat(), 512, 512, RATE).write(black_frame(512, VideoFormat()))
    with pytest.raises(BrokenPipeError):
        reader.stdin.close()
