"""What FFmpeg does not write into the headers of AVI files: when streams begin, and of what size their samples are."""

import struct
from collections.abc import Iterator
from fractions import Fraction
from math import ceil, gcd
from pathlib import Path
from typing import BinaryIO

from .clock import Packet

__all__ = ['AviHeaders']

# Places in the header of a stream, AVISTREAMHEADER: seconds of a unit as two numbers, when it begins in such units,
# and bytes of a unit, 0 where each chunk is one.
SCALE, START, SAMPLE_SIZE = 20, 28, 44


class AviHeaders:
    """Looks at the packets of an AVI file as they are written, and completes its headers afterwards.

    Its streams all begin together unless their headers say otherwise. And a chunk of AAC or AC-3 counts as the fraction
    of a sample, where its source stated a size of samples as all AVI files do.
    """

    def __init__(self) -> None:
        self._starts: dict[int, Fraction] = {}
        self._sizes: dict[int, int] = {}

    def add(self, packet: Packet, time: Fraction) -> None:
        """Take the next packet, which is decoded at a time in seconds; it is shifted so that its stream begins at 0."""
        index = packet.stream.index
        ticks = round(self._starts.setdefault(index, time) / packet.time_base)
        packet.pts, packet.dts = ((stamp or 0) - ticks for stamp in (packet.pts, packet.dts))
        self._sizes[index] = gcd(self._sizes.get(index, 0), packet.size)

    def write(self, path: Path, video: int) -> None:
        """Complete the headers of the file.

        The video, whose number is given, begins with a whole frame; other streams keep their distance to it to half a
        unit of theirs: a sample of PCM, a packet of MP3. What begins first is shifted to 0 if it is before.
        """
        with open(path, 'r+b') as file:
            places = list(_stream_headers(file))
            units = {index: Fraction(*_read(file, places[index] + SCALE, 2)) for index in self._starts}
            frames = ceil((self._starts[video] - min(Fraction(0), *self._starts.values())) / units[video])
            later = frames * units[video] - self._starts[video]
            for index, start in self._starts.items():
                _write(file, places[index] + START, round((start + later) / units[index]))
                (size,) = _read(file, places[index] + SAMPLE_SIZE, 1)
                if size and self._sizes[index] % size:
                    _write(file, places[index] + SAMPLE_SIZE, 0)


def _stream_headers(file: BinaryIO) -> Iterator[int]:
    """Find the headers of the streams: their places in the file, in order."""
    position = 12
    while True:
        file.seek(position)
        kind, size, of_list = struct.unpack('<4sI4s', file.read(12))
        if kind == b'LIST' and of_list in (b'hdrl', b'strl'):
            position += 12
            continue
        if of_list == b'movi':
            return
        if kind == b'strh':
            yield position + 8
        position += 8 + size + size % 2


def _read(file: BinaryIO, position: int, count: int) -> tuple[int, ...]:
    file.seek(position)
    return struct.unpack(f'<{count}I', file.read(4 * count))


def _write(file: BinaryIO, position: int, number: int) -> None:
    file.seek(position)
    file.write(struct.pack('<I', number))
