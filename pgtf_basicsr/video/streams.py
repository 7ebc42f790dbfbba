"""What becomes of the streams beside a video, and of what else its file says, in another container.

Nothing is looked up in tables of what containers can hold. A small file is written to memory with the streams at hand
and read again: what it has is kept.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Disposition, Stream

from ..errors import UserError
from .clock import Clock, Packet, clock_zero
from .codecs import CONTAINERS
from .copying import StreamCopies, is_cover, is_text, own_tags, read_covers
from .opening import open_input, open_output, open_video
from .timecode import later_timecode

__all__ = ['StreamPlan', 'add_contents', 'plan_streams']

# Default flags are written as they are, and what is heard from before zero on does not move the rest.
MATROSKA = {'default_mode': 'passthrough', 'avoid_negative_ts': 'disabled'}
MUXER_OPTIONS: Mapping[str, Mapping[str, str]] = {'matroska': MATROSKA, 'webm': MATROSKA}
# In MP4 and MOV, tags of cameras and phones (com.apple.quicktime.make) need another form than those of music players.
CAMERA_TAGS = {'movflags': 'use_metadata_tags'}
# Packets that are tried, of all streams together and of each.
TRIED_PACKETS, TRIED_PACKETS_OF_STREAM = 400, 3
KINDS = {'subtitle': 'subtitles'}
# The tag of the time code.
TIMECODE = 'timecode'


class StreamPlan(NamedTuple):
    """What is copied from a source into a target beside the video, and what is not.

    Attributes:
        source (Path | None): The file to copy from.
        container_format (str): The target's muxer.
        options (Mapping[str, str]): Options of the muxer.
        streams (tuple[int, ...]): Numbers of the source's streams that are copied.
        as_text (tuple[int, ...]): Those of them that are subtitles and become plain text.
        bit_rates (Mapping[int, int]): Bits per second of those of them that state others than they have.
        start (Fraction | None): Time of the source that becomes zero, in seconds.
        end (Fraction | None): Time of the source at which the target ends.
        kept (tuple[str, ...]): What is kept, a phrase each.
        dropped (tuple[str, ...]): What is dropped, a sentence each, with the containers that can hold it.
        changed (tuple[str, ...]): What is changed, a sentence each.
    """

    source: Path | None
    container_format: str
    options: Mapping[str, str]
    streams: tuple[int, ...] = ()
    as_text: tuple[int, ...] = ()
    bit_rates: Mapping[int, int] = MappingProxyType({})
    start: Fraction | None = None
    end: Fraction | None = None
    kept: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def plan_streams(
    source: str | Path | None, target: str | Path, start: Fraction | None = None, end: Fraction | None = None
) -> StreamPlan:
    """Find what a target can hold of what a source has beside its video. Nothing is written to disk.

    Args:
        source (str | Path, optional): A video.
        target (str | Path): The file to write; its suffix chooses the container.
        start (Fraction, optional): Time of the source that becomes zero, in seconds.
        end (Fraction, optional): Time of the source at which the target ends.

    Raises:
        UserError: The target's suffix is not known, or its container cannot hold audio of the source that another one
            can hold.
    """
    suffix = Path(target).suffix.lower()
    if suffix not in CONTAINERS:
        raise UserError(f'cannot write {target}: its extension must be one of {", ".join(CONTAINERS)}')
    if source is None:
        return StreamPlan(None, CONTAINERS[suffix], _muxer_options(suffix))
    with open_video(source, str(source)) as video:
        return _Planner(Path(source), video.container, video.stream).plan(Path(target), start, end)


def add_contents(
    output: OutputContainer,
    video: Stream,
    source: InputContainer,
    source_video: Stream,
    start: Fraction | None = None,
    end: Fraction | None = None,
) -> None:
    """Copy what a source says of itself, of its video and its chapters to an output.

    Args:
        output (OutputContainer): The output, whose header is not written yet.
        video (Stream): Its video.
        source (InputContainer): The source.
        source_video (Stream): The source's video.
        start (Fraction, optional): Time of the source that becomes zero, in seconds.
        end (Fraction, optional): Time of the source at which the output ends.
    """
    for target, tags in (output, source.metadata), (video, source_video.metadata):
        target.metadata.update(_from(start, own_tags(tags), source, source_video))
    video.disposition = source_video.disposition.value  # type: ignore[assignment]
    first = start or Fraction(0)
    chapters = []
    for chapter in source.chapters():
        if chapter['time_base']:
            shift, last = (round(time / chapter['time_base']) for time in (first, (end or 0) - first))
            begin, until = max(chapter['start'] - shift, 0), chapter['end'] - shift
            until = until if end is None else min(until, last)
            if begin < until:
                chapter['start'], chapter['end'] = begin, until
                chapters.append(chapter)
    if chapters:
        output.set_chapters(chapters)


class _Planner:
    """Tries containers with what one source has.

    Args:
        path (Path): The source.
        source (InputContainer): The same, open.
        video (VideoStream): The stream that is not copied.
    """

    def __init__(self, path: Path, source: InputContainer, video: av.VideoStream):
        self._path, self._source, self._video = path, source, video
        self._covers = read_covers(path)
        self._packets = _first_packets(path)

    def plan(self, target: Path, start: Fraction | None, end: Fraction | None) -> StreamPlan:
        """Plan a target."""
        suffix = target.suffix.lower()
        kept, as_text = list[Stream](), list[Stream]()
        lost: dict[str, list[str]] = {}
        for stream in self._source.streams:
            if stream.index == self._video.index or _is_implied(stream):
                continue
            if self._can_hold(suffix, stream):
                kept.append(stream)
                continue
            if is_text(stream) and self._can_hold(suffix, stream, as_text=True):
                kept.append(stream)
                as_text.append(stream)
                continue
            others = [other for other in CONTAINERS if other != suffix and self._can_hold(other, stream)]
            if stream.type == 'audio' and others:
                raise UserError(
                    f'{target} cannot hold the audio of {self._path} ({_codec(stream)}): {" and ".join(others)} can'
                )
            advice = f'{" and ".join(others)} can' if others else 'no container that is written here can'
            lost.setdefault(advice, []).append(self._phrase(stream))
        indices, text_indices = (tuple(stream.index for stream in streams) for streams in (kept, as_text))
        options, losses = self._find_options(suffix, indices, text_indices)
        losses += dict.fromkeys(self._lost_time_codes(start))
        sentence = f'{suffix} cannot hold, and drops, of {self._path}'
        dropped = [f'{sentence}: {", ".join(phrases)} ({advice})' for advice, phrases in lost.items()]
        if losses:
            dropped.append(f'{sentence}: {", ".join(losses)}')
        return StreamPlan(
            source=self._path,
            container_format=CONTAINERS[suffix],
            options=options,
            streams=indices,
            as_text=text_indices,
            bit_rates=self._bit_rates(suffix, indices),
            start=start,
            end=end,
            kept=tuple(self._phrase(stream) for stream in kept),
            dropped=tuple(dropped),
            changed=tuple(f'{self._phrase(text)} of {self._path} become plain text in {suffix}' for text in as_text),
        )

    def _can_hold(self, suffix: str, stream: Stream, as_text: bool = False) -> bool:
        """Whether a container has a stream, or its plain text, beside a video when it is read again."""
        indices = [stream.index]
        with _reading(self._write(suffix, indices, {}, indices if as_text else ())) as written:
            if written is None:
                return False
            # MP4 leaves out tracks without packets, so of those it can only be said that it takes them.
            untried = stream.type not in ('attachment', 'video') and not self._packets.get(stream.index)
            return untried or self._find_copies(indices, written) is not None

    def _find_options(
        self, suffix: str, indices: Collection[int], as_text: Collection[int]
    ) -> tuple[Mapping[str, str], list[str]]:
        """Find the options of the muxer with which least is lost, and what is lost."""
        extra: list[Mapping[str, str]] = [{}]
        if CONTAINERS[suffix] in ('mp4', 'mov') and own_tags(self._source.metadata):
            extra.append(CAMERA_TAGS)
        found = []
        for options in extra:
            with _reading(self._write(suffix, indices, options, as_text)) as written:
                copies = None if written is None else self._find_copies(indices, written)
                if written is not None and copies is not None:
                    found.append((_muxer_options(suffix, options), self._losses(written, copies)))
        if not found:
            raise UserError(f'{suffix} cannot hold the streams of {self._path} together: choose another container')
        return min(found, key=lambda way: len(way[1]))

    def _losses(self, written: InputContainer, copies: Mapping[int, Stream]) -> list[str]:
        losses = [f'the tag {name}' for name in _missing(self._source.metadata, written.metadata)]
        chapters = len(self._source.chapters()) - len(written.chapters())
        if chapters > 0:
            losses.append(f'{chapters} chapters')
        for index, copy in copies.items():
            stream = self._source.streams[index]
            names = [] if index in self._covers else list(_missing(stream.metadata, copy.metadata))
            names += [str(flag.name) for flag in Disposition if flag & stream.disposition & ~copy.disposition]
            losses += [f'"{name}" of {self._phrase(stream)}' for name in names]
        return losses

    def _lost_time_codes(self, start: Fraction | None) -> list[str]:
        """List the time codes that cannot be counted on to a start."""
        return [
            f'the time code {value}, which is that of its first frame'
            for tags in map(own_tags, (self._source.metadata, self._video.metadata))
            for name, value in tags.items()
            if name not in _from(start, tags, self._source, self._video)
        ]

    def _find_copies(self, indices: Collection[int], written: InputContainer) -> dict[int, Stream] | None:
        """Find the copies of streams, and that of the video, in a file; None if there are not as many of a kind."""
        streams = [self._source.streams[index] for index in (self._video.index, *indices)]
        copies: dict[int, Stream] = {}
        for stream in streams:
            kind = stream.type, is_cover(stream)
            others = [other for other in written.streams if (other.type, is_cover(other)) == kind]
            number = sum((copied.type, is_cover(copied)) == kind for copied in streams[: len(copies)])
            if number < len(others):
                copies[stream.index] = others[number]
            elif stream.type in ('attachment', 'video') or self._packets.get(stream.index):
                return None
        return copies

    def _write(
        self, suffix: str, indices: Collection[int], options: Mapping[str, str], as_text: Collection[int]
    ) -> BytesIO | None:
        """Write a file with a frame, streams and the tags; None if the container does not take them."""
        file = BytesIO()
        try:
            with open_output(file, CONTAINERS[suffix], _muxer_options(suffix, options)) as output:
                video = _add_blank_video(output)
                add_contents(output, video, self._source, self._video)
                bit_rates = self._bit_rates(suffix, indices)
                copies = StreamCopies(self._source, output, indices, self._covers, as_text, bit_rates)
                output.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), 'rgb24')))
                output.mux(video.encode())
                for index, copy in copies.streams.items():
                    for sample in self._packets.get(index, ()):
                        data = copies.text_data(b'text') if index in as_text else sample.data
                        output.mux(sample._replace(data=data).packet_of(copy))
        except (av.FFmpegError, ValueError):
            return None
        file.seek(0)
        return file

    def _bit_rates(self, suffix: str, indices: Collection[int]) -> dict[int, int]:
        """Bit rates of ADPCM from AVI to AVI by its packets: they are its clock there.

        FFmpeg states 128 kbit/s of several kinds, whatever they have.
        """
        if suffix != '.avi' or self._source.format.name != 'avi':
            return {}
        rates = {}
        for index in indices:
            samples = self._packets.get(index, [])
            if len(samples) > 1 and (_codec(self._source.streams[index]) or '').startswith('adpcm'):
                seconds = (samples[1].dts - samples[0].dts) * samples[0].time_base
                if seconds > 0:
                    rates[index] = round(8 * len(samples[0].data) / seconds)
        return rates

    def _phrase(self, stream: Stream) -> str:
        if stream.type == 'attachment':
            return f'attachment {stream.name}'
        if is_cover(stream):
            return 'cover image'
        of_kind = [other for other in self._source.streams if other.type == stream.type and not is_cover(other)]
        facts = [fact for fact in (stream.metadata.get('language'), _codec(stream)) if fact and fact != 'und']
        kind = KINDS.get(stream.type, stream.type)
        return f'{kind} {of_kind.index(stream) + 1}' + (f' ({", ".join(facts)})' if facts else '')


class _Sample(NamedTuple):
    """A packet that can be written many times."""

    data: bytes
    pts: int
    dts: int
    duration: int
    time_base: Fraction
    is_keyframe: bool

    def packet_of(self, stream: Stream) -> Packet:
        """Make the packet for a stream."""
        packet: Packet = av.Packet(self.data)
        packet.pts, packet.dts, packet.duration, packet.time_base = self.pts, self.dts, self.duration, self.time_base
        packet.is_keyframe, packet.stream = self.is_keyframe, stream
        return packet


def _first_packets(path: Path) -> dict[int, list[_Sample]]:
    """Read the first packets of the streams of a file: {number of the stream: packets}."""
    samples: dict[int, list[_Sample]] = {}
    with open_input(path) as source:
        for packet, _ in islice(Clock(source).packets(), TRIED_PACKETS):
            of_stream = samples.setdefault(packet.stream.index, [])
            dts = (packet.pts or 0) if packet.dts is None else packet.dts
            if packet.size and len(of_stream) < TRIED_PACKETS_OF_STREAM:
                pts = dts if packet.pts is None else packet.pts
                of_stream.append(
                    _Sample(bytes(packet), pts, dts, packet.duration or 0, packet.time_base, packet.is_keyframe)
                )
    return samples


@contextmanager
def _reading(file: BytesIO | None) -> Iterator[InputContainer | None]:
    """Open a file that was written; None if there is none or it cannot be read."""
    try:
        container = None if file is None else open_input(file)
    except av.FFmpegError:
        container = None
    if container is None:
        yield None
        return
    with container:
        yield container


def _add_blank_video(output: OutputContainer) -> av.VideoStream:
    codec = 'mpeg4' if 'mpeg4' in output.supported_codecs else output.default_video_codec
    video = output.add_stream(codec, rate=25)
    if not isinstance(video, av.VideoStream):
        raise ValueError(f'{codec} is not a video encoder')
    video.width = video.height = 64
    video.pix_fmt = 'yuv420p'
    return video


def _muxer_options(suffix: str, options: Mapping[str, str] | None = None) -> Mapping[str, str]:
    return {**MUXER_OPTIONS.get(CONTAINERS[suffix], {}), **(options or {})}


def _from(start: Fraction | None, tags: dict[str, str], source: InputContainer, video: Stream) -> dict[str, str]:
    """Tags of a video from a time on: its time code is that of the first frame, or is missing if it cannot be read."""
    first = (video.start_time or 0) * (video.time_base or 0) - clock_zero(source)
    rate = video.average_rate if isinstance(video, av.VideoStream) else None
    if start is None or start <= first:
        return tags
    later = {
        name: later_timecode(value, start - first, rate) if rate else None
        for name, value in tags.items()
        if name.lower() == TIMECODE
    }
    return {name: value for name, value in {**tags, **later}.items() if value is not None}


def _missing(tags: Mapping[str, str], kept: Mapping[str, str]) -> Iterator[str]:
    """Names of the tags that are not among those kept."""
    found = {name.lower(): value for name, value in own_tags(kept).items()}
    for name, value in own_tags(tags).items():
        unstated = name == 'handler_name' or (name == 'language' and value == 'und')
        if not unstated and found.get(name.lower(), 'und') == 'und':
            yield name


def _codec(stream: Stream) -> str | None:
    return stream.codec_context.name if stream.codec_context else 'unknown codec'


def _is_implied(stream: Stream) -> bool:
    """Whether a stream of an MP4 or MOV file says what chapters and tags say, and is written again for these."""
    if stream.type != 'data':
        return False
    return TIMECODE in stream.metadata or (stream.name == 'bin_data' and bool(stream.container.chapters()))
