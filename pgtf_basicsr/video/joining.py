"""Segments of a video joined to one file, without encoding them again, with the other streams of its source."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from heapq import heappush, heappushpop, merge
from math import lcm
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from ..errors import UserError
from ..files import replacing
from .avi_headers import AviHeaders
from .clock import Packet
from .copying import StreamCopies, read_covers
from .fields import PROGRESSIVE
from .formats import Color
from .opening import open_input, open_output, open_video
from .streams import StreamPlan, add_contents

__all__ = ['join_segments']

# Units of a second in which MP4 and MOV may state when a stream begins.
MAX_TIMESCALE = 10**8
# Seconds by which the last frame may end beside its time and the frame rate: times of 1/600 s are common in MOV.
ROUNDING = Fraction(1, 500)
# Frames that an encoder may hold back at most.
MAX_DELAY = 32


def join_segments(
    segments: Sequence[Path],
    target: str | Path,
    plan: StreamPlan,
    rate: Fraction | None = None,
    color: Color | None = None,
    field_order: int = PROGRESSIVE,
    end: Fraction | None = None,
) -> None:
    """Write a video file of segments, one after another, and of the streams of a plan, in step with them.

    All frames and packets keep their times, less the plan's start. Memory does not grow with the length.

    Args:
        segments (Sequence[Path]): Videos of one encoder with the same settings. Their frames have the time stamps of
            the source. Each begins with a key frame and after the end of the one before.
        target (str | Path): The file to write. It appears when it is complete.
        plan (StreamPlan): What else to write, see `streams.plan_streams`.
        rate (Fraction, optional): Frames per second to state. Default: what the first segment states.
        color (Color, optional): Colours to state. Default: what the first segment states.
        field_order (int): Which field of interlaced frames comes first, a code of `fields`.
        end (Fraction, optional): Time of the source at which the last frame ends. Default: by the frame rate.

    Raises:
        UserError: The file cannot be written, or a segment or the source cannot be read.
    """
    try:
        with replacing(target) as partial:
            with ExitStack() as stack:
                first = stack.enter_context(open_video(segments[0], str(segments[0])))
                source = None if plan.source is None else stack.enter_context(open_video(plan.source, str(plan.source)))
                options = dict(plan.options)
                if plan.container_format in ('mp4', 'mov'):
                    options['movie_timescale'] = str(_timescale(first.time_base, source.container if source else None))
                output = stack.enter_context(open_output(partial, plan.container_format, options))
                video = _add_video(output, first.stream, rate or first.rate, color)
                if field_order != PROGRESSIVE:
                    video.codec_context.field_order = field_order
                durations = _last_durations(segments[-1], rate or first.rate, end, plan.container_format)
                packets = _video_packets(segments, video, plan.start, durations)
                if source is not None and plan.source is not None:
                    add_contents(output, video, source.container, source.stream, plan.start, plan.end)
                    copies = StreamCopies(
                        source.container, output, plan.streams, read_covers(plan.source), plan.as_text, plan.bit_rates
                    )
                    packets = merge(packets, copies.packets(plan.start, plan.end), key=lambda item: item[0])
                output.start_encoding()
                headers = AviHeaders() if plan.container_format == 'avi' else None
                for time, packet in packets:
                    if headers is not None:
                        headers.add(packet, time)
                    output.mux(packet)
            if headers is not None:
                headers.write(partial, video.index)
    except (OSError, av.FFmpegError) as error:
        raise UserError(f'cannot write {target}: {error.strerror or error}') from error


def _add_video(
    output: OutputContainer, template: av.VideoStream, rate: Fraction | None, color: Color | None
) -> av.VideoStream:
    stream = output.add_stream_from_template(template, opaque=True)
    context = stream.codec_context
    if rate is not None:
        context.framerate = rate
    if color is not None:
        context.colorspace, context.color_primaries, context.color_trc = color.matrix, color.primaries, color.transfer
    if context.name == 'hevc' and output.format.name in ('mp4', 'mov'):
        # Apple's players want this name, which says that parameter sets are in the header.
        context.codec_tag = 'hvc1'
    return stream


def _video_packets(
    segments: Sequence[Path], video: av.VideoStream, start: Fraction | None, durations: Mapping[Fraction, Fraction]
) -> Iterator[tuple[Fraction, Packet]]:
    """Read the packets of all segments, with times of decoding that run through.

    Durations by times of the segments take the place of what their container guesses.
    """
    delay = max(map(_delay, segments))
    # The last times that frames were shown: a packet is decoded when the smallest of them is.
    shown: list[Fraction] = []
    for segment in segments:
        with open_input(segment) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if packet.pts is None or not packet.size:
                    continue
                time = packet.pts * packet.time_base
                if time in durations:
                    packet.duration = round(durations[time] / packet.time_base)
                time -= start or 0
                if not shown:
                    step = (packet.duration or 1) * packet.time_base
                    for number in range(delay, 0, -1):
                        heappush(shown, time - number * step)
                decoded = heappushpop(shown, time)
                packet.pts, packet.dts = (round(value / packet.time_base) for value in (time, decoded))
                packet.stream = video
                yield decoded, packet


def _delay(segment: Path) -> int:
    """Count the frames that have to be decoded before the first is shown."""
    delay, shown = 0, list[int]()
    with open_input(segment) as container:
        for packet in container.demux(video=0):
            if packet.pts is not None and packet.size:
                delay = max(delay, sum(pts > packet.pts for pts in shown))
                shown = sorted([*shown, packet.pts])[-MAX_DELAY:]
    return delay


def _last_durations(
    segment: Path, rate: Fraction | None, end: Fraction | None, container_format: str
) -> dict[Fraction, Fraction]:
    """Find which durations, by times of frames, make the last frame end when it should, where that is not by the rate.

    MP4 and MOV take the end of the frames from the one that is shown last, and the end of the track from the one that
    is decoded last. AVI would count frames that are not there.
    """
    if end is None or container_format == 'avi':
        return {}
    with open_input(segment) as container:
        packets = container.demux(video=0)
        times = [packet.pts * packet.time_base for packet in packets if packet.pts is not None and packet.size]
    last = max(times)
    if rate is not None and abs(end - last - 1 / rate) <= ROUNDING:
        return {}
    lengthened = {last, times[-1]} if container_format in ('mp4', 'mov') else {last}
    return {time: end - time for time in lengthened}


def _timescale(time_base: Fraction, source: InputContainer | None) -> int:
    """Units of a second that state exactly when each stream begins, as far as possible."""
    rates = [stream.codec_context.sample_rate for stream in source.streams.audio] if source else []
    exact = lcm(time_base.denominator, *rates)
    return exact if exact <= MAX_TIMESCALE else time_base.denominator
