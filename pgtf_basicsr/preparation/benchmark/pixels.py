"""Hashes of decoded frames, and PNG files whose every byte is checked.

What counts are pixels: the bytes of a PNG file depend on the zlib that wrote it.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ...data.clips import frame_name
from ...errors import DataError
from ...images import decode_image, write_image

__all__ = ['PixelHashes', 'read_png', 'written']

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# Length, type and checksum of a chunk.
_CHUNK = 12


class PixelHashes:
    """Hashes of the frames of a clip, one after another."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self._frames: list[str] = []

    def update(self, frame: np.ndarray) -> str:
        """Add a frame (H, W, 3) uint8 RGB; returns the CRC-32 of its pixels."""
        self._whole.update(f'{frame.shape[1]}x{frame.shape[0]}'.encode() + frame.tobytes())
        self._frames.append(f'{zlib.crc32(frame.tobytes()):08x}')
        return self._frames[-1]

    def result(self) -> dict[str, str]:
        """Return ``sha256`` of sizes and pixels of all frames, and ``crc32`` of each one's pixels."""
        return {'sha256': self._whole.hexdigest(), 'crc32': ' '.join(self._frames)}


def written(frames: Iterable[np.ndarray], folder: Path, hashes: PixelHashes) -> Iterator[np.ndarray]:
    """Write frames to a new folder while they pass, and add them to hashes."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        write_image(folder / f'{frame_name(number)}.png', frame)
        hashes.update(frame)
        yield frame


def read_png(path: Path) -> np.ndarray:
    """Read a PNG file as (H, W, 3) uint8 RGB.

    Raises:
        DataError: It cannot be read, or a byte of it was changed, if only one that no pixel depends on.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f'cannot be read: {error.strerror}') from error
    if not data.startswith(_SIGNATURE):
        raise DataError('is broken: it does not begin as a PNG file')
    start = len(_SIGNATURE)
    while start < len(data):
        end = start + _CHUNK + int.from_bytes(data[start : start + 4], 'big')
        stated = int.from_bytes(data[end - 4 : end], 'big')
        if end > len(data) or zlib.crc32(data[start + 4 : end - 4]) != stated:
            raise DataError(f'is broken: the part of it at byte {start} does not have the checksum that it states')
        start = end
    return decode_image(data, path)
