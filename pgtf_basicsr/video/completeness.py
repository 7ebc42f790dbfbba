"""Whether a file is as long as its container says, found without reading its contents.

FFmpeg reads what is there of a file that was cut off, and says nothing where the cut lies between two packets.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

__all__ = ['missing_end']

# Kind of a part of a file, where it ends, and where the next one begins, in bytes from its start.
Part: TypeAlias = tuple[bytes, int, int]

EBML, SEGMENT = b'\x1a\x45\xdf\xa3', b'\x18\x53\x80\x67'
ASF_HEADER, ASF_DATA = (
    bytes.fromhex(guid) for guid in ('3026b2758e66cf11a6d900aa0062ce6c', '3626b2758e66cf11a6d900aa0062ce6c')
)
# Keys in MXF files have 16 bytes; that of the header's partition begins with these.
MXF_HEADER, MXF_KEY = bytes.fromhex('060e2b34020501010d0102010102'), 16
# Boxes that MP4 and MOV files begin with.
BOXES = b'ftyp', b'styp', b'moov', b'mdat', b'wide', b'free', b'skip', b'pnot'
# What recorders write where they cannot know it, and what no file has.
LIVE_CHUNK, LARGEST = 2**32 - 1, 2**60
# Bytes that the head of a part has at most.
HEAD = 64


def missing_end(path: Path) -> str | None:
    """Say how much a file has of what it states; None if it has all, or states no length.

    MP4, MOV, Matroska, WebM, AVI, WMV and MXF files state their length, unless they were recorded live.
    """
    with open(path, 'rb') as file:
        stated, size = _stated_size(file), os.fstat(file.fileno()).st_size
    return f'it has {size} of the {stated} bytes that it states' if size < stated else None


def _stated_size(file: BinaryIO) -> int:
    """Where the last part that holds frames or sound ends; 0 if that is not stated."""
    head = file.read(HEAD)
    if head.startswith(EBML):
        return _end(file, SEGMENT, _read_element)
    if head.startswith(b'RIFF'):
        return _end(file, b'movi', _read_chunk)
    if head.startswith(ASF_HEADER):
        return _end(file, ASF_DATA, _read_object)
    if head.startswith(MXF_HEADER):
        return _footer_of_mxf(head)
    return _end(file, b'mdat', _read_box) if head[4:8] in BOXES else 0


def _end(file: BinaryIO, kind: bytes, read_part: Callable[[bytes], Part | None]) -> int:
    """Find where the last part of a kind ends, going from part to part."""
    return max((end for found, end in _parts(file, read_part) if found == kind), default=0)


def _parts(file: BinaryIO, read_part: Callable[[bytes], Part | None]) -> Iterator[tuple[bytes, int]]:
    position, size = 0, os.fstat(file.fileno()).st_size
    while position < size:
        file.seek(position)
        part = read_part(file.read(HEAD).ljust(HEAD, b'\0'))
        if part is None:
            return
        kind, end, following = part
        yield kind, position + end
        position += following


def _read_box(head: bytes) -> Part | None:
    """Read the head of a box, ISO/IEC 14496-12, 4.2."""
    size = int.from_bytes(head[:4], 'big')
    if size == 1:
        size = int.from_bytes(head[8:16], 'big')
    return (head[4:8], size, size) if 8 <= size < LARGEST else None


def _read_chunk(head: bytes) -> Part | None:
    """Read the head of a chunk of an AVI file, or of a list of chunks; what is within ``RIFF`` comes one by one."""
    if head.startswith(b'RIFF'):
        return b'RIFF', 12, 12
    size = int.from_bytes(head[4:8], 'little')
    kind = head[8:12] if head.startswith(b'LIST') else head[:4]
    return (kind, 8 + size, 8 + size + size % 2) if 0 < size < LIVE_CHUNK else None


def _read_element(head: bytes) -> Part | None:
    """Read the head of an element of EBML, RFC 8794, sections 4 to 6; sizes that are not known are all ones."""
    length = 9 - head[0].bit_length()
    size_length = 9 - head[length].bit_length()
    unknown = (1 << 7 * size_length) - 1
    size = int.from_bytes(head[length : length + size_length], 'big') & unknown
    if length > 4 or size_length > 8 or size == unknown:
        return None
    end = length + size_length + size
    return head[:length], end, end


def _read_object(head: bytes) -> Part | None:
    """Read the head of an object of an ASF file, such as WMV."""
    size = int.from_bytes(head[16:24], 'little')
    return (head[:16], size, size) if 24 <= size < LARGEST else None


def _footer_of_mxf(head: bytes) -> int:
    """Find the last partition of an MXF file, after all contents, as the first one states it, SMPTE ST 377-1, 7.1."""
    value = MXF_KEY + 1 + (head[MXF_KEY] & 0x7F if head[MXF_KEY] & 0x80 else 0)
    footer = int.from_bytes(head[value + 24 : value + 32], 'big')
    return footer + MXF_KEY if footer else 0
