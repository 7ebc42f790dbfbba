"""The codecs to write: their encoders, what samples and containers they go with, quality, and HDR metadata."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import av

from ..errors import UserError
from .chroma import CENTER, LEFT, LOCATIONS, TOP_LEFT, ChromaLocation
from .fields import PROGRESSIVE
from .formats import MasteringDisplay, VideoFormat

__all__ = ['CODECS', 'SUFFIXES', 'Codec', 'Encoding', 'choose_encoding', 'state_format']


class Codec(NamedTuple):
    """A codec of the command line.

    Attributes:
        title (str): What messages call it.
        encoders (tuple): FFmpeg's encoders, the preferred one first.
        suffixes (tuple): Suffixes of the files that can hold it and that other programs play.
        crf (int, optional): Default quality; None where quality cannot be chosen.
        largest_crf (int): The lowest quality.
        options (Mapping): Options of the encoder that are always given.
        quality (Mapping): Those with a quality, beside `crf`.
        lossless (Mapping, optional): Those that lose nothing; None where it always loses something.
        hdr (str, optional): Which `HDR_OPTIONS` the encoder writes HDR metadata with.
        even_sides (bool): Whether subsampled chroma needs an even width and height.
        locations (tuple): Where chroma samples can lie by its bitstream.
        full_range (bool): Whether it knows full range.
        shortest (int): Pixels that the longer side of a frame must have.
        interlaced (Mapping, optional): Options with which it encodes interlaced frames as such; None if it cannot.
    """

    title: str
    encoders: tuple[str, ...]
    suffixes: tuple[str, ...]
    crf: int | None
    largest_crf: int
    options: Mapping[str, str]
    quality: Mapping[str, str]
    lossless: Mapping[str, str] | None
    hdr: str | None
    even_sides: bool
    locations: tuple[ChromaLocation, ...] = ()
    full_range: bool = True
    shortest: int = 2
    interlaced: Mapping[str, str] | None = None


CODECS = {
    'h264': Codec(
        title='H.264',
        encoders=('libx264',),
        suffixes=('.mp4', '.m4v', '.mov', '.mkv', '.avi'),
        crf=18,
        largest_crf=51,
        options={},
        quality={},
        lossless={'qp': '0'},
        hdr='x264-params',
        even_sides=True,
        locations=tuple(LOCATIONS.values()),
        interlaced={'flags': '+ildct+ilme'},
    ),
    'hevc': Codec(
        title='HEVC',
        encoders=('libx265',),
        suffixes=('.mp4', '.m4v', '.mov', '.mkv'),
        crf=20,
        largest_crf=51,
        options={'x265-params': 'log-level=error'},
        quality={},
        lossless={'x265-params': 'lossless=1'},
        hdr='x265-params',
        even_sides=True,
        locations=tuple(LOCATIONS.values()),
        shortest=64,  # x265 4.2 writes beyond its buffers where both are shorter
    ),
    'av1': Codec(
        title='AV1',
        encoders=('libsvtav1',),
        suffixes=('.mp4', '.m4v', '.mkv', '.webm'),
        crf=24,
        largest_crf=63,
        options={},
        quality={},
        lossless={'svtav1-params': 'lossless=1'},
        hdr='svtav1-params',
        even_sides=True,
        locations=(LEFT, TOP_LEFT),
    ),
    'vp9': Codec(
        title='VP9',
        encoders=('libvpx-vp9',),
        suffixes=('.webm', '.mkv', '.mp4', '.m4v'),
        crf=24,
        largest_crf=63,
        options={'row-mt': '1', 'cpu-used': '2'},
        quality={'b': '0'},
        lossless={'lossless': '1'},
        hdr=None,
        even_sides=False,
    ),
    'ffv1': Codec(
        title='FFV1',
        encoders=('ffv1',),
        suffixes=('.mkv', '.avi'),
        crf=None,
        largest_crf=0,
        options={'level': '3', 'g': '1', 'slicecrc': '1'},
        quality={},
        lossless={},
        hdr=None,
        even_sides=False,
        interlaced={},
    ),
    'prores': Codec(
        title='ProRes',
        encoders=('prores_ks',),
        suffixes=('.mov', '.mkv'),
        crf=None,
        largest_crf=0,
        options={'vendor': 'apl0'},
        quality={},
        lossless=None,
        hdr=None,
        even_sides=False,
        full_range=False,
        interlaced={'flags': '+ildct'},
    ),
}
# Files that videos can be written to.
SUFFIXES = tuple(dict.fromkeys(suffix for codec in CODECS.values() for suffix in codec.suffixes))

# Ways to write HDR metadata: names of mastering display and content light level, and units per candela and of CIE 1931.
HDR_OPTIONS = {
    'x264-params': ('mastering-display', 'cll', 10000, 50000),
    'x265-params': ('master-display', 'max-cll', 10000, 50000),
    'svtav1-params': ('mastering-display', 'content-light', 1, 1),
}
# Where chroma samples stay in files that do not state it. Elsewhere they are in turned frames.
COMMON_LOCATIONS = (LEFT, CENTER, TOP_LEFT)
# Code point of samples that are RGB themselves.
RGB_MATRIX = 0
PIXEL_FORMAT = re.compile(r'yuv(?P<chroma>420|422|444)p(?P<depth>\d+)?(le)?$')


class Encoding(NamedTuple):
    """How a video is encoded.

    Attributes:
        codec (str): A key of `CODECS`.
        encoder (str): FFmpeg's encoder.
        options (Mapping): Options of the encoder.
        format (VideoFormat): What is written.
        notes (tuple): What of the source's format is not kept, a line each.
        tag (str, optional): The codec's tag in the final file, where it is not the usual one.
    """

    codec: str
    encoder: str
    options: Mapping[str, str]
    format: VideoFormat
    notes: tuple[str, ...]
    tag: str | None


def choose_encoding(
    suffix: str,
    source: VideoFormat,
    width: int,
    height: int,
    codec: str | None = None,
    crf: int | None = None,
    lossless: bool = False,
) -> Encoding:
    """Choose how a video is encoded, so that as much as possible of its source's format is kept.

    Args:
        suffix (str): Suffix of the file to write.
        source (VideoFormat): The format to keep.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        codec (str, optional): A key of `CODECS`. By default H.264 for 8 bits and HEVC for more; VP9 and AV1 in .webm.
        crf (int, optional): Quality, from 0, the best.
        lossless (bool): Whether the decoded samples shall equal the encoded ones.

    Raises:
        UserError: The file cannot hold the codec, or the codec has no such quality, size or encoder.
    """
    suffix = suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f'cannot write {suffix or "a file without extension"}: use one of {", ".join(SUFFIXES)}')
    name = codec or _default_codec(suffix, source, max(width, height))
    if name not in CODECS:
        raise UserError(f'there is no codec {name}: use one of {", ".join(CODECS)}')
    chosen = CODECS[name]
    if suffix not in chosen.suffixes:
        fitting = ', '.join(key for key, other in CODECS.items() if suffix in other.suffixes)
        raise UserError(
            f'{suffix} does not hold {chosen.title}: write {" or ".join(chosen.suffixes)}, or choose one of {fitting}'
        )
    if max(width, height) < chosen.shortest:
        raise UserError(
            f'{chosen.title} needs a side of at least {chosen.shortest} pixels, not {width}x{height}: h264 does not'
        )
    encoder = next((encoder for encoder in chosen.encoders if encoder in av.codecs_available), None)
    if encoder is None:
        raise UserError(f'this FFmpeg has no encoder for {chosen.title} ({", ".join(chosen.encoders)})')
    written, notes = _fit(chosen, encoder, source, width, height, lossless)
    options = dict(chosen.options)
    if written.field_order != PROGRESSIVE:
        if chosen.interlaced is None or (name == 'h264' and written.chroma == '420' and height % 4):
            written = written._replace(field_order=PROGRESSIVE)
            notes = (*notes, f'fields stay, but {chosen.title} does not state that frames are interlaced')
        else:
            _add(options, chosen.interlaced)
    _add(options, _quality(name, chosen, crf, lossless))
    hdr_options, hdr_notes = _hdr(chosen, written)
    _add(options, hdr_options)
    if suffix == '.avi' and name == 'h264':
        options['bf'] = '0'  # AVI has no time stamps, so frames are in the order in which they are shown
    if written.chroma == '420' and written.chroma_location in chosen.locations:
        options['chroma_sample_location'] = written.chroma_location.name
    # Apple's players know HEVC by this tag only.
    if source.pixel_aspect != 1 and suffix not in ('.mp4', '.m4v', '.mov') and name not in ('h264', 'hevc'):
        hdr_notes = (*hdr_notes, f'pixels of {source.pixel_aspect} become square in {suffix} with {chosen.title}')
    tag = 'hvc1' if name == 'hevc' and suffix in ('.mp4', '.m4v', '.mov') else None
    return Encoding(name, encoder, options, written, (*notes, *hdr_notes), tag)


def state_format(context: av.VideoCodecContext, format: VideoFormat) -> None:
    """Make an encoder, or a stream to write, state range, colours and pixel aspect, before it is opened."""
    context.color_range = format.color_range
    context.colorspace = RGB_MATRIX if format.chroma == 'rgb' else format.color.matrix
    context.color_primaries, context.color_trc = format.color.primaries, format.color.transfer
    context.sample_aspect_ratio = format.pixel_aspect


def _default_codec(suffix: str, source: VideoFormat, longer_side: int) -> str:
    if suffix == '.webm':
        return 'vp9' if source.depth == 8 else 'av1'
    deep = source.depth > 8 and suffix != '.avi' and longer_side >= CODECS['hevc'].shortest
    return 'hevc' if deep else 'h264'


def _fit(
    codec: Codec, encoder: str, source: VideoFormat, width: int, height: int, lossless: bool
) -> tuple[VideoFormat, tuple[str, ...]]:
    """Find the format that an encoder takes and that loses least, and say what it loses."""
    if source.chroma == 'rgb' and encoder == 'ffv1':
        return source, ()
    wanted = source
    if source.chroma == 'rgb':
        # Few players know 4:4:4 and more than 10 bits, so they have to be asked for.
        chroma, depth = ('444', source.depth) if lossless else ('420', min(source.depth, 10))
        wanted = source._replace(chroma=chroma, depth=depth)
    supported = [
        (found['chroma'], int(found['depth'] or 8))
        for found in map(PIXEL_FORMAT.match, (format.name for format in av.Codec(encoder, 'w').video_formats or ()))
        if found
    ]
    if codec.even_sides and (width % 2 or height % 2):
        supported = [(chroma, depth) for chroma, depth in supported if chroma == '444']
    if not supported:
        raise UserError(f'{codec.title} needs an even width and height, not {width}x{height}: hevc and vp9 do not')
    chroma, depth = min(
        supported,
        key=lambda found: (
            max(int(wanted.chroma) - int(found[0]), 0),
            max(wanted.depth - found[1], 0),
            int(found[0]),
            found[1],
        ),
    )
    notes = []
    if source.chroma == 'rgb':
        notes.append(f'RGB becomes YCbCr 4:{chroma[1]}:{chroma[2]}')
    elif int(chroma) < int(wanted.chroma):
        notes.append(f'chroma becomes 4:{chroma[1]}:{chroma[2]}, {codec.title} cannot hold {_ratio(wanted.chroma)}')
    if wanted.full_range and not codec.full_range:
        notes.append(f'full range becomes limited range, {codec.title} knows no other')
    if depth < source.depth:
        notes.append(f'{source.depth} bits become {depth}')
    written = wanted._replace(chroma=chroma, depth=depth, full_range=wanted.full_range and codec.full_range)
    if written.chroma_location not in (*codec.locations, *COMMON_LOCATIONS):
        written = written._replace(chroma_location=LEFT)
    return written, tuple(notes)


def _ratio(chroma: str) -> str:
    return ':'.join(chroma)


def _quality(name: str, codec: Codec, crf: int | None, lossless: bool) -> Mapping[str, str]:
    if lossless:
        if crf is not None:
            raise UserError('--lossless and --crf exclude each other')
        if codec.lossless is None:
            possible = ', '.join(key for key, other in CODECS.items() if other.lossless is not None)
            raise UserError(f'{codec.title} is not lossless: use one of {possible}')
        return codec.lossless
    if codec.crf is None:
        if crf is not None:
            raise UserError(f'{codec.title} has no --crf')
        return {}
    crf = codec.crf if crf is None else crf
    if not 0 <= crf <= codec.largest_crf:
        raise UserError(f'--crf {crf}: {name} takes 0, the best, to {codec.largest_crf}')
    return {'crf': str(crf), **codec.quality}


def _hdr(codec: Codec, format: VideoFormat) -> tuple[Mapping[str, str], tuple[str, ...]]:
    display, light = format.mastering_display, format.content_light
    if not (display or light):
        return {}, ()
    if codec.hdr is None:
        return {}, (f'the metadata of the mastering display is lost, which {codec.title} does not hold',)
    display_name, light_name, per_candela, per_unit = HDR_OPTIONS[codec.hdr]
    parts = []
    if display:
        parts.append(f'{display_name}={_mastering_display(display, per_candela, per_unit)}')
    if light:
        parts.append(f'{light_name}={light.max_content},{light.max_frame_average}')
    return {codec.hdr: ':'.join(parts)}, ()


def _mastering_display(display: MasteringDisplay, per_candela: int, per_unit: int) -> str:
    red, green, blue = (_numbers(point, per_unit) for point in display.primaries)
    lowest, highest = display.luminance
    return (
        f'G({green})B({blue})R({red})WP({_numbers(display.white, per_unit)})'
        f'L({_numbers((highest, lowest), per_candela)})'
    )


def _numbers(pair: tuple[Fraction, Fraction], unit: int) -> str:
    return ','.join(f'{float(value):.6f}' if unit == 1 else str(round(value * unit)) for value in pair)


def _add(options: dict[str, str], more: Mapping[str, str]) -> None:
    """Add options; those that are lists of parameters grow."""
    for key, value in more.items():
        options[key] = f'{options[key]}:{value}' if key in options else value
