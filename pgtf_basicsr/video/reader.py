"""Video files as streams of frames."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import av
import numpy as np

from ..errors import DataError
from .chroma import LOCATIONS
from .clock import FORWARD, Clock, FrameTimes, Packet, clock_zero, packet_time
from .color import to_rgb, to_uint8
from .completeness import missing_end
from .copying import own_tags
from .damage import DamageLog
from .decoded import DecodedFrame
from .deinterlacing import Deinterlacer
from .formats import ALPHA_NOTE, format_of, has_alpha, is_rgb
from .frame import Frame
from .opening import MAX_PIXELS, open_video
from .orientation import orientation_of

__all__ = ['VideoReader']

# Seconds by which a frame may be shown after its packet was decoded, in files that state only the latter.
LONGEST_DELAY = 1
# Frame rate of a video that states none, neither by itself nor by its first packets.
DEFAULT_RATE = Fraction(25)
AVERAGED_FRAMES = 100

# A decoded frame, when it is shown, and for how long, in seconds.
Decoded: TypeAlias = tuple[av.VideoFrame, Fraction, Fraction]


class VideoReader:
    """The frames of a video file, upright and in display order, to iterate over once, inside ``with``.

    Iterating gives `Frame`s, each with its own time, also where the frame rate varies; `images` gives their images
    alone. A few of them are in memory at a time, however long the video.

    Of several video streams the default one is read. Frames are turned and mirrored as the file's display matrix says.

    Args:
        path (str | Path): Any video that FFmpeg can decode. Its name is never a protocol of FFmpeg.
        start (Fraction, optional): Read the frames from this time on, in seconds of `Frame.time`.
        end (Fraction, optional): Read the frames before this time.
        deinterlace (str): auto, on or off: whether interlaced frames are made progressive, see `Deinterlacer`.
        on_damage (Callable[[str], None], optional): Called with a line for all damage that can be read past: lost
            packets, frames that cannot be decoded, recordings joined end to end. Without it, damage raises.

    Attributes:
        path (Path): The file.
        width (int): Width of a frame in pixels.
        height (int): Height of a frame in pixels.
        rate (Fraction): Frames per second that the file states, exact, such as 30000/1001; else the average of its
            first frames.
        time_base (Fraction): Unit of the times of the frames, in seconds.
        num_frames (int | None): Number of frames that the container states; None if it states none, or if a range is
            read. A video that was trimmed without encoding it again has fewer.
        format (VideoFormat): What the file states about its samples and colours. Of turned frames, it is what holds
            for them when they are upright, as far as their chroma location has a name.
        color (Color): Its colours.
        pixel_aspect (Fraction): Width of a pixel over its height.
        has_others (bool): Whether the file holds more than the video: other streams, chapters or tags.
        warnings (list[str]): What is known before the first frame of what differs from the file.
        end (Fraction | None): Seconds at which the last frame ends, once all are read; None where the file does not
            state it, or if an end is given.

    Raises:
        DataError: On construction, the file is missing or is not a video. While iterating, the video breaks off,
            changes its size, or cannot be decoded; the message names the frame.
    """

    def __init__(
        self,
        path: str | Path,
        start: Fraction | None = None,
        end: Fraction | None = None,
        deinterlace: str = 'auto',
        on_damage: Callable[[str], None] | None = None,
    ):
        self.path, self._start, self._end = Path(path), start, end
        if not (self.path.is_file() or self.path.is_fifo()):
            raise DataError(f'video not found: {path} (looked for {self.path.absolute()})')
        self.warnings: list[str] = []
        self.end: Fraction | None = None
        self._on_damage, self._has_begun = on_damage, False
        self._count, self._read_until = 0, Fraction(0)
        # Of a recording that begins between key frames, what comes before the first one is not damaged.
        self._began = False
        # What comes through a pipe cannot be looked at before it is read.
        first_packet = _packet_before(self.path, start) if start and self.path.is_file() else 0
        with ExitStack() as stack:
            video = stack.enter_context(open_video(self.path, str(path)))
            self._container, self._stream, self.time_base = video.container, video.stream, video.time_base
            self.rate = video.rate or _average_rate(self.path)
            self._stream.thread_type = 'AUTO'
            self._stream.codec_context.copy_opaque = True
            self._stream.codec_context.options = {'max_pixels': str(MAX_PIXELS)}
            self._deinterlacer = Deinterlacer(deinterlace)
            decoded = self._deinterlaced(self._decode(first_packet))
            first = next(decoded, None)
            if first is None:
                bounds = (
                    '' if start is None else f' from {float(start):g} s',
                    '' if end is None else f' to {float(end):g} s',
                )
                raise DataError(f'{path} has no frame that can be decoded{"".join(bounds)}')
            self._resources = stack.pop_all()

        frame = first[0]
        self.num_frames = (self._stream.frames or None) if start is None and end is None else None
        container = self._container
        self.has_others = len(container.streams) > 1 or bool(container.chapters() or own_tags(container.metadata))
        self.format = format_of(frame, self._stream.codec_context)
        if has_alpha(frame):
            self.warnings.append(ALPHA_NOTE)
        self.color = self.format.color
        self.width, self.height = frame.width, frame.height
        self.pixel_aspect = self._stream.sample_aspect_ratio or Fraction(1)
        self._orientation = orientation_of(frame)
        if self._orientation.transposed:
            self.width, self.height = self.height, self.width
            self.pixel_aspect = 1 / self.pixel_aspect
            self.format = self.format._replace(pixel_aspect=1 / self.format.pixel_aspect)
        self._chroma_location = self.format.chroma_location
        turned = self._orientation.chroma_location(self._chroma_location, self.width, self.height)
        if self.format.chroma == '420' and turned in LOCATIONS.values():
            self.format = self.format._replace(chroma_location=turned)
        self.format = self.format._replace(field_order=self._orientation.field_order(self.format.field_order))
        self._frames = self._upright(chain([first], decoded))
        self._has_begun = True

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        # It refers to the reader, which refers to it: the decoder and its threads would stay until they are collected.
        self._frames.close()
        return self._resources.__exit__(exc_type, error, traceback)

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def images(self) -> Iterator[np.ndarray]:
        """Iterate over the images (H, W, 3) alone, uint8 RGB."""
        return (to_uint8(frame.image) for frame in self)

    def _deinterlaced(self, decoded: Iterator[Decoded]) -> Iterator[Decoded]:
        """Deinterlace frames where that is due; their times stay."""
        places: deque[tuple[Fraction, Fraction]] = deque()
        try:
            for frame, time, duration in decoded:
                places.append((time, duration))
                for ready in self._deinterlacer.add(frame):
                    self._note_deinterlacing()
                    yield (ready, *places.popleft())
        except DataError:
            for ready in self._deinterlacer.finish():
                yield (ready, *places.popleft())
            raise
        for ready in self._deinterlacer.finish():
            yield (ready, *places.popleft())

    def _note_deinterlacing(self) -> None:
        note = self._deinterlacer.note
        if note and note not in self.warnings:
            self.warnings.append(note)
            if self._has_begun and self._on_damage is not None:
                self._on_damage(note)

    def _upright(self, decoded: Iterator[tuple[av.VideoFrame, Fraction, Fraction]]) -> Generator[Frame, None, None]:
        previous = None
        try:
            for number, (frame, time, duration) in enumerate(decoded):
                image = self._to_image(frame, number)
                # The image of RGB samples loses nothing.
                decoded_frame = None if is_rgb(frame) else DecodedFrame(frame, self._orientation, self._chroma_location)
                if previous is not None:
                    yield previous._replace(duration=time - previous.time)
                previous = Frame(image, time, duration, decoded_frame)
        except DataError:
            if previous is not None:
                yield previous
            raise
        if previous is not None:
            yield previous

    def _to_image(self, frame: av.VideoFrame, number: int) -> np.ndarray:
        try:
            image = self._orientation.upright(to_rgb(frame, self._chroma_location))
        except av.FFmpegError as error:
            raise DataError(
                f'{self.path} has colours that cannot be converted to RGB: '
                f'{frame.format.name}, matrix {self.color.matrix}'
            ) from error
        if image.shape != (self.height, self.width, 3):
            raise DataError(
                f'{self.path} changes from {self.width}x{self.height} to '
                f'{image.shape[1]}x{image.shape[0]} at frame {number}: split it there'
            )
        return image

    def _decode(self, first_packet: int) -> Iterator[tuple[av.VideoFrame, Fraction, Fraction]]:
        """Decode from a packet on; yield the frames of the range with their times and durations in seconds."""
        times = FrameTimes(self.time_base, self.rate)
        damage = DamageLog(str(self.path), self._container.format.name, self._on_damage)
        try:
            for packet, number in self._packets(first_packet, damage):
                for frame in self._decode_packet(packet, number, damage):
                    self._began = True
                    time, duration = times(frame)
                    if self._end is not None and time >= self._end:
                        return
                    if self._start is None or time >= self._start:
                        origin = frame.opaque[0] if isinstance(frame.opaque, tuple) else number
                        damage.check_frame(frame, origin, self._count, time)
                        yield frame, time, duration
                        self._count += 1
        except av.FFmpegError as error:
            raise DataError(f'{self.path} cannot be decoded after frame {self._count}: {error.strerror}') from error
        damage.finish(self._count)
        self._check_end()
        if self._end is None and self._count:
            self.end = self._stated_end(time, duration)

    def _packets(self, first: int, damage: DamageLog) -> Iterator[tuple[Packet, int]]:
        """Read the packets of the video from a number on, with these; the last is empty, to flush the decoder."""
        packets = self._all_packets()
        packet, recording = next(packets)
        for number, (following, next_recording) in enumerate(packets):
            if number >= first:
                ends = not following.size
                damage.check_packet(packet, number, next_recording != recording and not ends, ends, self._count)
                self._began = self._began or (number == first and packet.is_keyframe)
                packet.opaque = (number,)  # an object of its own, by which PyAV tells packets apart
                yield packet, number
            packet, recording = following, next_recording
        yield packet, -1

    def _all_packets(self) -> Iterator[tuple[Packet, int]]:
        """Read the packets of the video, with the numbers of their recordings."""
        for packet, recording in Clock(self._container).packets():
            # A frame is shown later than it is decoded, and its duration is that of showing it.
            time = packet_time(packet) if packet.pts is None else packet.pts * packet.time_base
            if time is not None:
                self._read_until = max(self._read_until, time + (packet.duration or 0) * packet.time_base)
            if packet.stream is self._stream:
                yield packet, recording

    def _decode_packet(self, packet: Packet, number: int, damage: DamageLog) -> Iterator[av.VideoFrame]:
        try:
            yield from self._stream.decode(packet)
        except av.error.InvalidDataError as error:
            if self._began:
                damage.check_error(error, number, self._count)

    def _stated_end(self, time: Fraction, duration: Fraction) -> Fraction | None:
        """Find when the last frame ends by its time and duration, where the container states either."""
        name, stream = self._container.format.name, self._stream
        end = time + duration if 'matroska' in name else None
        if 'mp4' in name and stream.duration is not None:
            # There, durations are those of decoding: with B-frames, another frame's.
            end = ((stream.start_time or 0) + stream.duration) * self.time_base - clock_zero(self._container)
        return end if end is not None and 0 < end - time <= FORWARD else None

    def _check_end(self) -> None:
        # A truncated file just ends where the cut lies between two packets.
        missing = missing_end(self.path) if self.path.is_file() else None
        if missing:
            raise DataError(f'{self.path} breaks off after frame {self._count}: {missing}')
        if 'matroska' not in self._container.format.name or not self._container.duration:
            return
        stated = Fraction(self._container.duration, av.time_base)
        if self._read_until + max(Fraction(1, 2), 2 / self.rate) < stated:
            raise DataError(
                f'{self.path} breaks off after frame {self._count}: it has {float(self._read_until):.2f} s of '
                f'the {float(stated):.2f} s that it states'
            )


def _packet_before(path: Path, start: Fraction) -> int:
    """Find the video packet from which to decode for frames from a time on: the number of the last key frame before.

    Nothing is decoded. FFmpeg's own seeking misses it in some containers, and does not know of joined recordings.
    """
    number, found = 0, 0
    with open_video(path, str(path)) as video:
        rate = video.rate or _average_rate(path)
        try:
            for packet, _ in Clock(video.container).packets():
                if packet.stream is video.stream and packet.size:
                    shown = _shown(packet, number / rate)
                    if shown > start + LONGEST_DELAY:
                        break
                    delay = LONGEST_DELAY if packet.pts is None else 0
                    if packet.is_keyframe and shown + delay <= start:
                        found = number
                    number += 1
        except av.FFmpegError:
            pass  # reading it will say so
    return found


def _average_rate(path: Path) -> Fraction:
    """Average frame rate of the first frames of a video, as their packets state it."""
    with open_video(path, str(path)) as video:
        packets = (packet for packet, _ in Clock(video.container).packets() if packet.stream is video.stream)
        try:
            times = [_shown(packet, Fraction(0)) for packet in islice(packets, AVERAGED_FRAMES) if packet.size]
        except av.FFmpegError:
            times = []  # reading it will say so
    length = max(times) - min(times) if times else Fraction(0)
    return (len(times) - 1) / length if length else DEFAULT_RATE


def _shown(packet: Packet, otherwise: Fraction) -> Fraction:
    """When the frame of a packet is shown, in seconds, as far as the packet says it."""
    time = packet_time(packet) if packet.pts is None else packet.pts * packet.time_base
    return otherwise if time is None else time
