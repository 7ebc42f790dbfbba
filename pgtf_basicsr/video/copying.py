"""Streams of one file copied into another container, without decoding them."""

import re
from collections.abc import Collection, Iterator, Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from .clock import Clock, Packet
from .opening import open_input, open_output

__all__ = ['StreamCopies', 'is_cover', 'is_text', 'own_tags', 'read_covers']

# Tags that state facts of one file, not of what it shows: by their beginning, lower case.
TECHNICAL_TAGS = (
    'major_brand',
    'minor_version',
    'compatible_brands',
    'encoder',
    'vendor_id',
    'duration',
    'bps',
    'number_of_frames',
    'number_of_bytes',
    '_statistics_',
)
# What subtitles become, by the muxer, where it does not hold them as they are.
TEXT_CODECS = {'mp4': 'mov_text', 'mov': 'mov_text', 'matroska': 'subrip', 'webm': 'webvtt'}
MILLISECOND = Fraction(1, 1000)
# Styles within the text of subtitles, as FFmpeg decodes them.
ASS_OVERRIDES = re.compile(rb'\{\\[^}]*\}')
# Suffixes of cover images by their codecs.
COVER_SUFFIXES = {'mjpeg': 'jpeg', 'png': 'png', 'bmp': 'bmp', 'gif': 'gif', 'tiff': 'tiff', 'webp': 'webp'}
# The muxer then chooses the one of its container.
NO_CODEC_TAG = '\0\0\0\0'
# Seconds of audio before the first that is heard, which decoders need to begin.
PRE_ROLL = Fraction(1, 5)


class StreamCopies:
    """Copies of some streams of a source in an output, whose header is not written yet.

    Args:
        source (InputContainer): The file to copy from.
        output (OutputContainer): The file to copy to.
        indices (Collection[int]): Numbers of the streams to copy.
        covers (Mapping[int, bytes]): Its cover images, see `read_covers`.
        as_text (Collection[int]): Numbers of those of them that are subtitles to be written as plain text.
        bit_rates (Mapping[int, int]): Bits per second of those of them that state others than they have.

    Raises:
        av.FFmpegError, ValueError: The container cannot hold one of the streams.
    """

    def __init__(
        self,
        source: InputContainer,
        output: OutputContainer,
        indices: Collection[int],
        covers: Mapping[int, bytes],
        as_text: Collection[int] = (),
        bit_rates: Mapping[int, int] = MappingProxyType({}),
    ):
        self._source, self._covers, self._as_text = source, covers, as_text
        self._text_codec = TEXT_CODECS.get(output.format.name)
        # What an edit list hides, only a container with edit lists can hide.
        self._can_hide = output.format.name in ('mp4', 'mov')
        # AVI begins with what is heard first.
        self._can_pre_roll = output.format.name != 'avi'
        self.streams: dict[int, Stream] = {}
        for stream in source.streams:
            if stream.index not in indices:
                continue
            if stream.index in covers and output.format.name == 'matroska':
                name = COVER_SUFFIXES.get(stream.codec_context.name, stream.codec_context.name)
                copy: Stream = output.add_attachment(f'cover.{name}', f'image/{name}', covers[stream.index])
            else:
                copy = self._add_text(output) if stream.index in as_text else _add_copy(output, stream)
                copy.disposition = stream.disposition.value  # type: ignore[assignment]
                if stream.index in bit_rates:
                    copy.codec_context.bit_rate = bit_rates[stream.index]
                self.streams[stream.index] = copy
            copy.metadata.update(own_tags(stream.metadata))

    def packets(self, start: Fraction | None = None, end: Fraction | None = None) -> Iterator[tuple[Fraction, Packet]]:
        """Read the packets of the streams for the output.

        Args:
            start (Fraction, optional): Time in seconds that becomes zero. What is shown before is left behind.
            end (Fraction, optional): Time from which on nothing is copied.

        Yields:
            tuple[Fraction, Packet]: When it is decoded, in seconds, and the packet, in the order of the source.
        """
        last: dict[int, int] = {}
        for packet, _ in Clock(self._source).packets():
            index = packet.stream.index
            if index not in self.streams or not packet.size:
                continue
            pts, dts = _time_stamps(packet, last.get(index))
            last[index] = dts
            shift = round((start or 0) / packet.time_base)
            if index in self._covers:
                pts = dts = shift = 0
            elif not self._belongs(packet, pts * packet.time_base, start, end):
                continue
            elif packet.stream.type == 'subtitle' and pts < shift:
                # It is shown already.
                packet.duration = (packet.duration or 0) - (shift - pts)
                pts = dts = shift
            packet.pts, packet.dts = pts - shift, dts - shift
            if index in self._as_text:
                packet = self._to_text(packet)
                if packet is None:
                    continue
            packet.stream = self.streams[index]
            yield (dts - shift) * packet.time_base, packet

    def text_data(self, text: bytes) -> bytes:
        """Make the contents of a packet of subtitles that are written as text, in UTF-8."""
        return len(text).to_bytes(2, 'big') + text if self._text_codec == 'mov_text' else text

    def _add_text(self, output: OutputContainer) -> Stream:
        if self._text_codec is None:
            raise ValueError(f'{output.format.name} holds no text')
        stream = output.add_mux_stream(self._text_codec)
        stream.time_base = MILLISECOND
        return stream

    def _to_text(self, packet: Packet) -> 'Packet | None':
        """Make a packet of plain text of one of another codec; None if there is no text in it."""
        try:
            subtitles = packet.stream.decode2(packet) or ()
        except av.error.InvalidDataError:
            return None
        text = ASS_OVERRIDES.sub(b'', b'\n'.join(subtitle.dialogue for subtitle in subtitles))
        if not text:
            return None
        written: Packet = av.Packet(self.text_data(text))
        written.pts, written.dts, written.duration = packet.pts, packet.dts, packet.duration
        written.time_base, written.is_keyframe = packet.time_base, True
        return written

    def _belongs(self, packet: Packet, shown: Fraction, start: Fraction | None, end: Fraction | None) -> bool:
        if end is not None and shown >= end:
            return False
        until = shown + (packet.duration or 0) * packet.time_base
        if start is not None:
            return until > start if packet.stream.type == 'subtitle' else shown >= start
        return not packet.is_discard or self._can_hide or (self._can_pre_roll and until > -PRE_ROLL)


def is_text(stream: Stream) -> bool:
    """Whether a stream is subtitles of text, which can be written as plain text."""
    return stream.type == 'subtitle' and stream.codec_context is not None and stream.codec_context.codec.text_sub


def is_cover(stream: Stream) -> bool:
    """Whether a stream is a cover image rather than a video."""
    return stream.type == 'video' and bool(stream.disposition & Disposition.attached_pic)


def read_covers(path: Path) -> dict[int, bytes]:
    """Read the cover images of a file: {number of the stream: bytes of the image file}."""
    covers: dict[int, bytes] = {}
    with open_input(path) as container:
        waiting = {stream.index for stream in container.streams if is_cover(stream)}
        # They come before everything else.
        for packet in container.demux() if waiting else ():
            if packet.stream.index not in waiting:
                break
            covers[packet.stream.index] = bytes(packet)
            waiting.remove(packet.stream.index)
    return covers


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Select the tags that say something of the contents, rather than of one file.

    The title of a stream is read from MP4 and MOV files as its name.
    """
    own = {name: value for name, value in tags.items() if not name.lower().startswith(TECHNICAL_TAGS)}
    if 'name' in own:
        own.setdefault('title', own.pop('name'))
    return own


def _add_copy(output: OutputContainer, stream: Stream) -> Stream:
    try:
        return output.add_stream_from_template(stream, opaque=True)
    except ValueError:
        if stream.type != 'audio' or output.format.name != 'matroska':
            raise
    # Matroska can hold all audio of AVI and WMV under their codec tags. FFmpeg does that, but does not say so when
    # PyAV asks. So PyAV gets a stream of another codec, whose description is then replaced.
    with _open_silence() as silence:
        copy = output.add_stream_from_template(silence.streams[0], opaque=True)
    BitStreamFilterContext('null', stream, copy)
    copy.codec_context.codec_tag = NO_CODEC_TAG
    copy.time_base = stream.time_base
    return copy


def _open_silence() -> InputContainer:
    """Open an empty WAV file."""
    file = BytesIO()
    with open_output(file, 'wav') as output:
        output.add_stream('pcm_s16le', rate=48000)
        output.start_encoding()
    file.seek(0)
    return open_input(file)


def _time_stamps(packet: Packet, last: int | None) -> tuple[int, int]:
    """Time stamps of a packet, for presentation and decoding, also where it lacks them. The latter only grow."""
    dts = packet.pts if packet.dts is None else packet.dts
    if dts is None:
        dts = 0 if last is None else last + (packet.duration or 1)
    elif last is not None:
        dts = max(dts, last + (packet.stream.type != 'subtitle'))
    return dts if packet.pts is None else max(packet.pts, dts), dts
