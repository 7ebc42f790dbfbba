"""Video to another program's standard input: YUV4MPEG2, as FFmpeg, mpv and VapourSynth read and write it.

Reading it needs nothing of its own: FFmpeg's demuxer, FORMAT, takes any file object.
"""

from fractions import Fraction
from typing import BinaryIO

from .chroma import CENTER, LEFT, TOP_LEFT
from .fields import BOTTOM_FIRST, PROGRESSIVE, TOP_FIRST
from .formats import VideoFormat
from .frame import PlanarFrame

__all__ = ['FORMAT', 'Y4MWriter', 'y4m_format']

# FFmpeg's name of its reader.
FORMAT = 'yuv4mpegpipe'
# Names of 4:2:0 at 8 bits, which say where chroma samples lie.
NAMES_OF_420 = {LEFT: '420mpeg2', CENTER: '420jpeg', TOP_LEFT: '420paldv'}
FIELD_ORDERS = {PROGRESSIVE: 'p', TOP_FIRST: 't', BOTTOM_FIRST: 'b'}


def y4m_format(source: VideoFormat) -> VideoFormat:
    """Choose the samples to write: those of the source, RGB as 4:4:4."""
    if source.chroma == 'rgb':
        return source._replace(chroma='444')
    if source.chroma_location not in NAMES_OF_420:
        return source._replace(chroma_location=LEFT)
    return source


class Y4MWriter:
    """Frames without compression, at a constant rate, one after another to an open file.

    Of a format it states depth, subsampling, range, pixel aspect and, at 8 bits, chroma location. It has no place for
    time stamps, matrix and HDR metadata.

    Args:
        file (BinaryIO): Where to write; it need not be seekable.
        format (VideoFormat): The samples to write, of `y4m_format`.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        rate (Fraction): Frames per second.
    """

    def __init__(self, file: BinaryIO, format: VideoFormat, width: int, height: int, rate: Fraction):
        self._file = file
        aspect = format.pixel_aspect
        file.write(
            f'YUV4MPEG2 W{width} H{height} F{rate.numerator}:{rate.denominator} I{FIELD_ORDERS[format.field_order]} '
            f'A{aspect.numerator}:{aspect.denominator} C{_colour_space(format)} '
            f'XCOLORRANGE={"FULL" if format.full_range else "LIMITED"}\n'.encode()
        )

    def write(self, frame: PlanarFrame) -> None:
        """Append a frame, whose planes are of the format.

        Raises:
            OSError: It cannot be written; BrokenPipeError where the reader has gone.
        """
        self._file.write(b'FRAME\n')
        for samples in frame.planes.samples:
            self._file.write(samples.data)


def _colour_space(format: VideoFormat) -> str:
    if format.depth > 8:
        return f'{format.chroma}p{format.depth}'
    return NAMES_OF_420[format.chroma_location] if format.chroma == '420' else format.chroma
