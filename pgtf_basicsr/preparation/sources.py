"""Sources of clips: folders, zip and tar archives and LMDBs, nested in any way. Archives are read in place.

A clip is a folder of numbered image files. Its name is the clip's; the folders above it do not matter.
"""

import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ..data.storage import FrameLmdb, is_lmdb
from ..errors import UserError
from ..files import is_hidden
from ..images import is_image_file
from .report import Note

__all__ = ['FolderClip', 'Member', 'SourceClip', 'find_clips', 'is_plain_name']

# An image file of a clip: its name, and where it lies, which depends on the kind of clip.
Member = tuple[Any, ...]

EXPECTED = (
    'expected folders of numbered frames, <clip>/00000000.png, or zip or tar archives or LMDBs of such folders, below '
    'any folders'
)

_NUMBER = re.compile(r'(\d+)$')
_COMPRESSED_TAR = ('.tar.gz', '.tgz', '.tar.bz2', '.tbz2', '.tar.xz', '.txz', '.tar.zst')


@dataclass(frozen=True)
class SourceClip:
    """A clip in a folder or an archive.

    Attributes:
        name (str): Name of its folder.
        container (str): The folder, or the archive.
        members (tuple[Member]): Its image files.
    """

    name: str
    container: str
    members: tuple[Member, ...] = field(repr=False, default=())

    def frames(self) -> tuple[dict[int, Member], list[Note]]:
        """List the frames. The number of a frame is the last digits of its name.

        Returns:
            tuple[dict, list[Note]]: Members by number, in order, and notes on files that were skipped because they
            have no number, or the number of another one.
        """
        frames: dict[int, Member] = {}
        notes = []
        for member in sorted(self.members):
            found = _NUMBER.search(os.path.splitext(member[0])[0])
            if not found:
                notes.append(Note(self.name, f'{member[0]} has no number'))
            elif int(found[1]) in frames:
                notes.append(
                    Note(self.name, f'{member[0]} has the number of another frame', int(found[1]), int(found[1]))
                )
            else:
                frames[int(found[1])] = member
        return dict(sorted(frames.items())), notes

    def read(self, member: Member) -> bytes:
        """Read the bytes of an image file.

        Raises:
            OSError, ValueError: They cannot be read whole. The message says why.
        """
        raise NotImplementedError


class FolderClip(SourceClip):
    """A clip in a folder."""

    def frames(self) -> tuple[dict[int, Member], list[Note]]:
        """List the frames, see `SourceClip`. The folder is only listed now."""
        names = [entry.name for entry in os.scandir(self.container) if is_image_file(entry.name)]
        return SourceClip(self.name, self.container, tuple((name,) for name in names)).frames()

    def path(self, member: Member) -> str:
        """Path of an image file."""
        return os.path.join(self.container, member[0])

    def read(self, member: Member) -> bytes:
        return Path(self.path(member)).read_bytes()


class ZipClip(SourceClip):
    """A clip in a zip archive. Members are (name, name in the archive)."""

    def read(self, member: Member) -> bytes:
        try:
            return _open_zip(self.container).read(member[1])
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
            raise ValueError(f'it cannot be read from {Path(self.container).name}: {error}') from error


class TarClip(SourceClip):
    """A clip in a tar archive. Members are (name, offset, size)."""

    def read(self, member: Member) -> bytes:
        _, offset, size = member
        with open(self.container, 'rb') as archive:
            archive.seek(offset)
            data = archive.read(size)
        if len(data) < size:
            raise ValueError(f'{Path(self.container).name} ends in the middle of it')
        return data


class LmdbClip(SourceClip):
    """A clip in an LMDB of frame files. Members are (name, key)."""

    def read(self, member: Member) -> bytes:
        data = FrameLmdb(self.container, 'SRC').get(member[1])
        if data is None:
            raise ValueError(f'{Path(self.container).name} has no {member[1]}')
        return data


def find_clips(root: str | Path, option: str = 'SRC') -> tuple[list[SourceClip], list[Note]]:
    """Find all clips below a folder or in an archive.

    Args:
        root (str | Path): The folder or the archive.
        option (str): What error messages call it.

    Returns:
        tuple[list[SourceClip], list[Note]]: Clips sorted by name, each name once, and notes on what was skipped.

    Raises:
        UserError: There is no such folder or archive, or no clip in it.
    """
    # Without dots, so that a folder has a name.
    root = Path(os.path.abspath(root))
    if not root.exists():
        raise UserError(f'{option}: there is no {root}; {EXPECTED}')
    try:
        paths = [root] if root.is_file() else list(_walk(root))
    except OSError as error:
        raise UserError(f'{option}: cannot list {error.filename}: {error.strerror}') from error
    found, notes = _clips_at(paths, option)
    clips: dict[str, SourceClip] = {}
    for clip in sorted(found, key=lambda clip: (clip.name, clip.container)):
        if not is_plain_name(clip.name):
            notes.append(Note(ascii(clip.name), 'its name cannot be that of a clip'))
        elif clip.name in clips:
            notes.append(Note(clip.name, f'it is there twice; the one in {clip.container} was skipped'))
        else:
            clips[clip.name] = clip
    if not clips:
        raise UserError(
            f'{option}: no clip in {root}; {EXPECTED}' + ''.join(f'; {note.clip}: {note.reason}' for note in notes[:1])
        )
    return list(clips.values()), notes


def is_plain_name(name: str) -> bool:
    """Whether a folder's name can name a clip: visible, printable, one path component."""
    return bool(name) and not is_hidden(name) and name.isprintable() and name == name.strip() and '/' not in name


def _clips_at(paths: list[Path], option: str) -> tuple[list[SourceClip], list[Note]]:
    """Clips of folders and archives, and notes on what was skipped."""
    found: list[SourceClip] = []
    notes: list[Note] = []
    for path in paths:
        if path.is_dir():
            found += _clips_of_lmdb(path) if is_lmdb(path) else [FolderClip(path.name, str(path))]
        elif path.name.lower().endswith(_COMPRESSED_TAR):
            raise UserError(
                f'{option}: {path} is a compressed tar archive, which cannot be read in place: '
                'decompress it to .tar first, or unpack it'
            )
        else:
            clips, complaints = _clips_of_archive(path)
            found += clips
            notes += complaints
    return found, notes


def _walk(folder: str | Path, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Folders with frames in them, LMDBs, and archives, in the order of their paths."""
    real = os.path.realpath(folder)
    if real in seen:  # a link to a folder above
        return
    entries = sorted((entry for entry in os.scandir(folder) if not is_hidden(entry.name)), key=lambda entry: entry.name)
    if any(is_image_file(entry.name) for entry in entries) or is_lmdb(folder):
        yield Path(folder)
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry.path, seen | {real})
        elif entry.name.lower().endswith(('.zip', '.tar', *_COMPRESSED_TAR)):
            yield Path(entry.path)


def _clips_of_lmdb(path: Path) -> list[SourceClip]:
    database = FrameLmdb(path, 'SRC')
    clips: list[SourceClip] = []
    for clip in database.list_clips():
        frames = database.list_frames(f'{clip.name}/')
        members = tuple((frame, f'{clip.name}/{frame}') for frame in frames)
        clips.append(LmdbClip(clip.name.rpartition('/')[2], str(path), members))
    return clips


def _clips_of_archive(path: Path) -> tuple[list[SourceClip], list[Note]]:
    clips: dict[PurePosixPath, list[Member]] = {}
    notes = []
    is_zip = zipfile.is_zipfile(path)
    kind = ZipClip if is_zip else TarClip
    try:
        members = _zip_members(path) if is_zip else _tar_members(path)
        for name, *where in members:
            inside = PurePosixPath(name)
            if inside.is_absolute() or '..' in inside.parts:
                notes.append(Note(path.name, f'its member {name!a} leads out of it'))
            elif is_image_file(inside.name) and inside.parent.name and not any(map(is_hidden, inside.parts)):
                clips.setdefault(inside.parent, []).append((inside.name, *where))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        notes.append(Note(path.name, f'it is not a whole zip or tar archive: {error}'))
    return [kind(folder.name, str(path), tuple(members)) for folder, members in clips.items()], notes


def _zip_members(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        yield from ((info.filename, info.filename) for info in archive.infolist() if not info.is_dir())


def _tar_members(path: Path) -> Iterator[Member]:
    """Name, offset and size of each file, in one pass over the headers. A damaged archive is read up to the damage."""
    with tarfile.open(path, 'r:') as archive:
        while (info := archive.next()) is not None:
            if info.isfile() and not info.issparse():
                yield info.name, info.offset_data, info.size
            archive.members = []  # type: ignore[attr-defined]  # which would otherwise grow with the archive


# A clip and its degraded counterpart may lie in an archive each.
@lru_cache(maxsize=2)
def _open_zip(path: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
