"""Time stamps of a file's packets and frames on one clock."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import av

__all__ = ['FORWARD', 'Clock', 'FrameTimes', 'Packet', 'clock_zero', 'packet_time']

Packet: TypeAlias = 'av.Packet[Any]'

# FFmpeg's AVFMT_FLAG_GENPTS and AVFMT_TS_DISCONT.
GENERATE_PTS, CLOCK_STARTS_ANYWHERE = 0x1, 0x200
# Seconds. Time stamps of decoding only grow. Where they fall by more than this, another recording begins.
BACKWARD = Fraction(1, 10)
# Where they leap by more than this, too, in containers made for broadcasts; their clocks start anywhere.
FORWARD_BROADCAST = 60
# In others a leap is a pause of the recording, unless it is absurd.
FORWARD = 3600


class Clock:
    """The clock that all streams of a file share.

    It is the file's own, with two exceptions. Where it starts anywhere, as in MPEG transport streams, zero is the start
    of the first stream. Where recordings were joined end to end, it runs on: each stream passes on to the clock of
    the next recording when its own time stamps leap, so that its packets stay in step with those of other streams.

    Args:
        container (InputContainer): It is read by `packets`, once.
    """

    def __init__(self, container: av.container.InputContainer):
        # FFmpeg would make up time stamps of AVI files, wrong ones with B-frames.
        container.flags &= ~GENERATE_PTS
        self._container = container
        self._forward = FORWARD_BROADCAST if _is_broadcast(container) else FORWARD
        # Seconds to add to the time stamps of each recording.
        self._offsets = [-clock_zero(container)]
        self._recordings: dict[int, int] = {}
        self._last: dict[int, Fraction] = {}
        self._end = Fraction(0)

    def packets(self) -> Iterator[tuple[Packet, int]]:
        """Read the packets of all streams, with time stamps of this clock.

        Yields:
            tuple[Packet, int]: The packet, empty ones that flush decoders among them, and the number of its recording.
        """
        for packet in self._container.demux():
            yield packet, self._set(packet)

    def _set(self, packet: Packet) -> int:
        index, latest = packet.stream.index, len(self._offsets) - 1
        recording = self._recordings.get(index, latest)
        raw = packet_time(packet)
        if raw is None:
            return recording
        if packet.stream.type not in ('video', 'audio'):
            recording = latest
        elif packet.dts is not None:
            last = self._last.get(index)
            if last is not None and not last - BACKWARD <= raw <= last + self._forward:
                recording += 1
            self._last[index] = raw
        if recording == len(self._offsets):
            self._offsets.append(self._end - raw)
        self._recordings[index] = recording
        offset = self._offsets[recording]
        ticks = round(offset / packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts + ticks
        packet.dts = None if packet.dts is None else packet.dts + ticks
        self._end = max(self._end, raw + offset + (packet.duration or 0) * packet.time_base)
        return recording


def clock_zero(container: av.container.InputContainer) -> Fraction:
    """The time stamp, in seconds, that is zero of a file's `Clock`."""
    start = min(
        (
            stream.start_time * stream.time_base
            for stream in (*container.streams.video, *container.streams.audio)
            if stream.start_time is not None and stream.time_base
        ),
        default=Fraction(0),
    )
    return start if _is_broadcast(container) or abs(start) > FORWARD else Fraction(0)


def packet_time(packet: Packet) -> Fraction | None:
    """Time in seconds at which a packet is decoded, or else shown; None if it states neither."""
    stamp = packet.pts if packet.dts is None else packet.dts
    return None if stamp is None else stamp * packet.time_base


class FrameTimes:
    """Times of decoded frames in display order. They grow strictly, whatever the file states.

    Of a frame's time stamps for presentation and of decoding that kind counts which went backward less often, as in
    FFmpeg's own programs. A frame without any follows its predecessor after the time that one was shown.

    Args:
        time_base (Fraction): Seconds of a unit of the time stamps.
        rate (Fraction): Frames per second, where frames state no duration.
    """

    def __init__(self, time_base: Fraction, rate: Fraction):
        self._time_base, self._rate = time_base, rate
        self._last_stamps: dict[str, int] = {}
        self._faults = {'pts': 0, 'dts': 0}
        self._last: Fraction | None = None
        self._next = Fraction(0)

    def __call__(self, frame: av.VideoFrame) -> tuple[Fraction, Fraction]:
        """Time and duration of the next frame in seconds."""
        for kind, stamp in (('pts', frame.pts), ('dts', frame.dts)):
            if stamp is not None:
                last = self._last_stamps.get(kind)
                self._faults[kind] += last is not None and stamp <= last
                self._last_stamps[kind] = stamp
        use_pts = frame.pts is not None and (frame.dts is None or self._faults['pts'] <= self._faults['dts'])
        stamp = frame.pts if use_pts else frame.dts
        time = self._next if stamp is None else stamp * self._time_base
        if self._last is not None and time <= self._last:
            time = self._last + self._time_base
        duration = frame.duration * self._time_base if frame.duration > 0 else 1 / self._rate
        self._last, self._next = time, time + duration
        return time, duration


def _is_broadcast(container: av.container.InputContainer) -> bool:
    return bool(container.format.flags & CLOCK_STARTS_ANYWHERE)
