"""What a video's samples are and mean: depth, subsampling, range, colours, HDR metadata."""

import struct
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from .chroma import CENTER, LOCATIONS, ChromaLocation
from .codecs import FULL_RANGE, LIMITED_RANGE, SWSCALE_FLAGS
from .fields import PROGRESSIVE, field_order_of
from .repacking import repack
from .side_data import side_data_of

__all__ = [
    'ALPHA_NOTE',
    'BT709',
    'NOT_STATED',
    'Color',
    'ContentLight',
    'MasteringDisplay',
    'VideoFormat',
    'chroma_location',
    'depth_of',
    'format_of',
    'has_alpha',
    'hdr_warning',
    'is_full_range',
    'is_rgb',
    'plain_format',
    'subsampling_of',
]

# Code point of colours that a file does not state.
NOT_STATED = 2
# What a user is told of an input with alpha, which is neither restored nor written.
ALPHA_NOTE = 'alpha is dropped, frames become opaque'
# Names of the transfer functions of HDR, by their code points.
HDR_TRANSFERS = {16: 'PQ', 18: 'HLG'}
# Width and height of a luma plane over those of the other planes.
SUBSAMPLING = {'420': (2, 2), '422': (2, 1), '444': (1, 1), 'rgb': (1, 1)}
# The subsampling that is written, by width and height of a luma plane over those of a chroma plane. 4:1:1 (DV) and
# 4:1:0 become what every player knows, 4:4:0 what loses nothing.
WRITTEN_CHROMA = {(1, 1): '444', (2, 1): '422', (2, 2): '420', (1, 2): '444', (4, 1): '420', (4, 4): '420'}


class Color(NamedTuple):
    """What the values of a video mean as colours, in code points of ITU-T H.273.

    The default is BT.709. 2 means "not stated"; such a matrix is taken as BT.601's, both when reading and when writing.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1


BT709 = Color()


class MasteringDisplay(NamedTuple):
    """Display on which an HDR video was mastered (SMPTE ST 2086).

    Attributes:
        primaries (tuple): CIE 1931 (x, y) of red, green and blue.
        white (tuple): CIE 1931 (x, y) of the white point.
        luminance (tuple): Lowest and highest luminance in cd/m².
    """

    primaries: tuple[tuple[Fraction, Fraction], ...]
    white: tuple[Fraction, Fraction]
    luminance: tuple[Fraction, Fraction]


class ContentLight(NamedTuple):
    """Light level of an HDR video in cd/m² (CTA-861.3): its brightest pixel, and the average of its brightest frame."""

    max_content: int
    max_frame_average: int


class VideoFormat(NamedTuple):
    """What is kept of a video's samples from input to output.

    Attributes:
        depth (int): Bits per sample.
        chroma (str): '420', '422' or '444' of YCbCr, or 'rgb'.
        full_range (bool): Whether values use all of the bits, rather than 16 to 235 of 255.
        color (Color): What the file states about its colours.
        chroma_location (ChromaLocation): Where chroma samples lie.
        mastering_display (MasteringDisplay, optional): Of HDR video.
        content_light (ContentLight, optional): Of HDR video.
        pixel_aspect (Fraction): Width of a pixel over its height.
        field_order (int): Which field of interlaced frames comes first, a code of `fields`.
    """

    depth: int = 8
    chroma: str = '420'
    full_range: bool = False
    color: Color = BT709
    chroma_location: ChromaLocation = CENTER
    mastering_display: MasteringDisplay | None = None
    content_light: ContentLight | None = None
    pixel_aspect: Fraction = Fraction(1)
    field_order: int = PROGRESSIVE

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of it."""
        suffix = f'{self.depth}le' if self.depth > 8 else ''
        if self.chroma == 'rgb':
            return f'gbrp{suffix}' if suffix else 'bgr0'  # what FFV1 takes
        return f'yuv{self.chroma}p{suffix}'

    @property
    def subsampling(self) -> tuple[int, int]:
        """Width and height of the first plane over those of the others."""
        return SUBSAMPLING[self.chroma]

    def chroma_shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the planes after the first one, which has these."""
        across, down = self.subsampling
        return -(-height // down), -(-width // across)

    @property
    def color_range(self) -> int:
        """FFmpeg's code of the range."""
        return FULL_RANGE if self.full_range else LIMITED_RANGE


def format_of(frame: av.VideoFrame, context: av.VideoCodecContext) -> VideoFormat:
    """Describe a stream by its first frame and its decoder."""
    light = side_data_of(frame, 'CONTENT_LIGHT_LEVEL')
    mastering = side_data_of(frame, 'MASTERING_DISPLAY_METADATA')
    format = VideoFormat(
        depth=depth_of(frame),
        mastering_display=_mastering_display(mastering) if mastering else None,
        content_light=ContentLight(*struct.unpack_from('II', light)) if light else None,
        pixel_aspect=context.sample_aspect_ratio or Fraction(1),
        field_order=field_order_of(frame),
    )
    if is_rgb(frame):
        return format._replace(chroma='rgb', color=Color(1, context.color_primaries, context.color_trc))
    gray = len(frame.format.components) < 3
    return format._replace(
        chroma='420' if gray else WRITTEN_CHROMA[subsampling_of(frame)],
        full_range=is_full_range(frame),
        color=Color(context.colorspace or NOT_STATED, context.color_primaries, context.color_trc),
        chroma_location=chroma_location(frame),
    )


def depth_of(frame: av.VideoFrame) -> int:
    """Bits per sample of a frame, from 8 to 16: fewer are taken as 8, more as 16."""
    return min(max([8, *(component.bits for component in frame.format.components)]), 16)


def subsampling_of(frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height of the luma plane of a frame over those of a chroma plane."""
    return 64 // frame.format.chroma_width(64), 64 // frame.format.chroma_height(64)


def plain_format(width: int, height: int, color: Color = BT709) -> VideoFormat:
    """Describe what every player knows: 8 bits in limited range, 4:2:0, or 4:4:4 where a side is odd."""
    return VideoFormat(chroma='444' if width % 2 or height % 2 else '420', color=color)


def is_rgb(frame: av.VideoFrame) -> bool:
    """Whether the samples of a frame are those of RGB, palettes and XYZ included, which FFmpeg converts to it."""
    return frame.format.is_rgb or frame.format.has_palette or frame.format.name.startswith('xyz')


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether the format of a frame has alpha. That of opaque frames can have it as well: a GIF's always does."""
    return any(component.is_alpha for component in frame.format.components)


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether YCbCr values of a frame use all of their bits. Gray ones that do not say so do, as in FFmpeg."""
    if frame.color_range in (FULL_RANGE, LIMITED_RANGE):
        return frame.color_range == FULL_RANGE
    return frame.format.name.startswith(('yuvj', 'gray', 'ya'))


def chroma_location(frame: av.VideoFrame) -> ChromaLocation:
    """Find where the chroma samples of a frame lie.

    PyAV does not say. But what it makes of a frame inherits the location and is converted accordingly: the centre of
    one bright sample in an enlarged plane gives it away. Where a file states none, that is what FFmpeg assumes.
    """
    size, point, nearest = 16, 4, 0x10
    # By way of 4:4:4, which makes a copy in any case. The matrix has no part in it, but FFmpeg does not know each.
    copy = repack(
        frame,
        width=size,
        height=size,
        format='yuv444p',
        src_colorspace=BT709.matrix,
        dst_colorspace=BT709.matrix,
        interpolation=nearest,
    )
    probe = repack(copy, format='yuv420p')
    for plane in probe.planes:
        plane.update(bytes(plane.buffer_size))
    bright = np.zeros((size // 2, probe.planes[1].line_size), np.uint8)
    bright[point, point] = 200
    probe.planes[1].update(bright.tobytes())
    enlarged = repack(probe, format='yuv444p', interpolation=SWSCALE_FLAGS).planes[1]
    values = np.frombuffer(memoryview(enlarged), np.uint8).reshape(size, -1)[:, :size].astype(np.float64)
    found = [round(2 * (values.sum(axis) @ np.arange(size) / values.sum() - 2 * point)) / 2 for axis in (0, 1)]
    return min(LOCATIONS.values(), key=lambda location: np.abs(np.subtract(location, found)).sum())


def hdr_warning(format: VideoFormat) -> str | None:
    """Say what a network that was trained on SDR does to an HDR video; None for SDR."""
    name = HDR_TRANSFERS.get(format.color.transfer)
    if name is None:
        return None
    return (
        f'the video is HDR ({name}): its code values go through a network that was trained on SDR, and keep their '
        f'meaning; faces in highlights and in the dark may be restored less well'
    )


def _mastering_display(data: bytes) -> MasteringDisplay | None:
    """Read FFmpeg's AVMasteringDisplayMetadata: ten rationals and whether primaries and luminance are stated."""
    *numbers, has_primaries, has_luminance = struct.unpack_from('22i', data)
    if not (has_primaries and has_luminance and all(numbers[1::2])):
        return None
    red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y, lowest, highest = map(
        Fraction, numbers[0::2], numbers[1::2]
    )
    return MasteringDisplay(
        ((red_x, red_y), (green_x, green_y), (blue_x, blue_y)), (white_x, white_y), (lowest, highest)
    )
