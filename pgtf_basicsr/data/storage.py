"""Where clips are read from: folders of frames, LMDB, video files; local or behind a URL.

    <root>/<clip>/00000000.png      frames, PNG or JPEG; local ones in the order of their names
    <root>.lmdb                     LMDB with keys `<clip>/00000000` and the bytes of frame files
    <root>/<clip>.mp4               video files of a constant frame rate

Anything that is not local is read through mmengine's file backends: ``http://``, ``https://``, ``s3://``
and whatever else is registered there.  What cannot be listed needs a list of clips (``meta_info_file``), and its
frames are then numbered without gaps.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

import lmdb
import numpy as np

from ..errors import DataError, UserError
from ..files import is_hidden, list_visible
from ..images import decode_image, is_image_file, read_image
from ..video.codecs import VIDEO_SUFFIXES, is_video_file
from ..video.seeking import count_frames, iterate_frames, read_frames
from .clips import Clip, find_missing, resolve_inside
from .remote import backend_for, fetch, is_url, url_below

__all__ = [
    'DEFAULT_EXTENSION',
    'LMDB',
    'LOCAL',
    'ClipVideos',
    'FrameFolders',
    'FrameLmdb',
    'RemoteClips',
    'Storage',
    'is_lmdb',
    'open_storage',
]

# Names in ``io_backend.type``: BasicSR's and mmengine's for local files, and for LMDB.
LOCAL, LMDB = ('disk', 'local'), 'lmdb'
DEFAULT_EXTENSION = 'png'
# {path: (process, LMDB environment)}: LMDB must not be opened twice in a process, nor used after a fork, which rules
# mmengine's backend out.
_environments: dict[str, tuple[int, lmdb.Environment]] = {}


def open_storage(
    root: str | Path, option: str, io_backend: dict[str, Any] | None = None, filename_ext: str = DEFAULT_EXTENSION
) -> 'Storage':
    """Open the storage of the clips below ``root``, by what is found there.

    Args:
        root (str | Path): A folder of folders, an LMDB, a folder of videos, or a URL.
        option (str): The option that names it, for messages.
        io_backend (dict, optional): ``type`` is disk, lmdb or the name of one of mmengine's file backends, whose
            arguments are the other keys. Without a type, what is found at ``root``.
        filename_ext (str): Extension of the files behind a URL, which cannot be listed.

    Returns:
        FrameFolders | FrameLmdb | ClipVideos | RemoteClips

    Raises:
        UserError: There is nothing of the kind, or its backend is not there.
    """
    arguments = dict(io_backend or {})
    kind = arguments.pop('type', None)
    if kind not in (None, LMDB, *LOCAL) or (kind is None and is_url(root)):
        return RemoteClips(root, option, backend_for(root, option, kind, arguments), f'.{filename_ext}')
    if kind == LMDB or (kind is None and is_lmdb(root)):
        return FrameLmdb(root, option)
    if Path(root).is_dir() and any(map(is_video_file, os.listdir(root))):
        return ClipVideos(root, option)
    return FrameFolders(root, option)


def is_lmdb(path: str | Path) -> bool:
    """Say whether there is an LMDB at a path."""
    return Path(path, 'data.mdb').is_file()


class FrameFolders:
    """A local folder with a folder of frames per clip.

    Args:
        root (str | Path): The folder.
        option (str): The option that names it, for messages.

    Raises:
        UserError: There is no such folder.
    """

    def __init__(self, root: str | Path, option: str) -> None:
        self.root, self.option = Path(root), option
        _require_folder(self.root, option, 'one folder of frames per clip, <clip>/00000000.png')

    def list_clips(self) -> list[Clip]:
        """List all clips, by name, with their frames counted."""
        names = [name for name in list_visible(self.root) if (self.root / name).is_dir()]
        return [Clip(name, len(self.open(Clip(name, 0)).names)) for name in names]

    def find_missing(self, names: list[str]) -> list[str]:
        """List the clips that are not there."""
        return find_missing(self.root, names, self.option)

    def open(self, clip: Clip) -> '_FolderClip':
        """Open a clip, whose frames are then read by name.

        Raises:
            DataError: The clip is not there.
        """
        folder = resolve_inside(self.root, clip.name, self.option)
        try:
            # Strings and not Paths: a clip may have hundreds of frames, and this runs for every item.
            files = sorted(filter(is_image_file, os.listdir(folder)))
        except OSError as error:
            raise DataError(f'{self.option}: cannot list clip folder {folder}: {error.strerror}') from error
        return _FolderClip(folder, {os.path.splitext(file)[0]: os.path.join(folder, file) for file in files})


class FrameLmdb:
    """A local LMDB: keys `<clip>/<frame>`, values the bytes of frame files.

    Args and errors are those of `FrameFolders`.
    """

    def __init__(self, root: str | Path, option: str) -> None:
        self.root, self.option = Path(root), option
        if not is_lmdb(root):
            raise UserError(f'{option}: no LMDB at {root}; it should be a folder with a file data.mdb')

    def list_clips(self) -> list[Clip]:
        """List all clips, by name, with their frames counted; it reads every key, which a list of clips saves."""
        clips: dict[str, tuple[int, int]] = {}
        with self._transaction() as transaction:
            for key in transaction.cursor().iternext(keys=True, values=False):
                clip, _, frame = key.decode(errors='replace').rpartition('/')
                if clip and frame.isdigit() and not any(map(is_hidden, clip.split('/'))):
                    count, first = clips.get(clip, (0, int(frame)))
                    clips[clip] = count + 1, min(first, int(frame))
        return [Clip(name, count, first=first) for name, (count, first) in sorted(clips.items())]

    def find_missing(self, names: list[str]) -> list[str]:
        """List the clips that are not there."""
        missing = []
        with self._transaction() as transaction:
            cursor = transaction.cursor()
            for name in names:
                prefix = f'{name}/'.encode()
                if not (cursor.set_range(prefix) and cursor.key().startswith(prefix)):
                    missing.append(name)
        return missing

    def open(self, clip: Clip) -> '_KeyedClip':
        """Open a clip, whose frames are then read by name."""
        return _KeyedClip(self, clip, f'{clip.name}/', '')

    def list_frames(self, prefix: str) -> list[str]:
        """List the names of the frames whose keys begin with a prefix."""
        names: list[str] = []
        start = prefix.encode()
        with self._transaction() as transaction:
            cursor = transaction.cursor()
            if cursor.set_range(start):
                keys = takewhile(lambda key: key.startswith(start), cursor.iternext(values=False))
                names = [key.removeprefix(start).decode(errors='replace') for key in keys]
        return [name for name in names if name.isdigit()]

    def locate(self, key: str) -> str:
        """Name an entry in messages."""
        return f'{self.root}:{key}'

    def get(self, key: str) -> bytes | None:
        """Read the bytes of an entry; None where there is none."""
        with self._transaction() as transaction:
            return transaction.get(key.encode())

    @contextmanager
    def _transaction(self):
        try:
            with _environment(self.root).begin() as transaction:
                yield transaction
        except lmdb.Error as error:
            raise DataError(f'{self.option}: cannot read the LMDB {self.root}: {error}') from error


class ClipVideos:
    """A local folder with a video file per clip.

    Args and errors are those of `FrameFolders`.
    """

    def __init__(self, root: str | Path, option: str) -> None:
        self.root, self.option = Path(root), option
        _require_folder(self.root, option, 'one video per clip, <clip>.mp4')
        self._suffixes = None

    def list_clips(self) -> list[Clip]:
        """List all clips, by name, with their frames counted; it opens every file, which a list of clips saves."""
        return [Clip(name, count_frames(self._path(name))) for name in sorted(self._find())]

    def find_missing(self, names: list[str]) -> list[str]:
        """List the clips that are not there."""
        found = self._find()
        return [name for name in names if name not in found]

    def open(self, clip: Clip) -> '_VideoClip':
        """Open a clip, whose frames are then read by name."""
        path = self._path(clip.name)
        return _VideoClip(clip, path, path)

    def _path(self, name):
        suffix = self._find().get(name)
        if suffix is None:
            raise DataError(f'{self.option}: no video of clip {name} in {self.root}')
        return str(self.root / f'{name}{suffix}')

    def _find(self):
        """Return {clip: suffix of its file}; listed once."""
        if self._suffixes is None:
            self._suffixes = dict(map(os.path.splitext, filter(is_video_file, os.listdir(self.root))))
        return self._suffixes


class RemoteClips:
    """Clips behind one of mmengine's file backends, as `<root>/<clip>/<frame>.png` or `<root>/<clip>.mp4`.

    Args:
        root (str): URL, or a path in the backend's own form.
        option (str): The option that names it, for messages.
        backend (BaseStorageBackend): Backend of mmengine, which has ``get``.
        suffix (str): Suffix of frame files or, if it is a video's, of clip files.
    """

    def __init__(self, root: str | Path, option: str, backend: Any, suffix: str) -> None:
        self.root, self.option, self.backend, self.suffix = str(root).rstrip('/'), option, backend, suffix

    def list_clips(self) -> list[Clip]:
        raise UserError(f'{self.option}: {self.root} cannot be listed; name the list of its clips in meta_info_file')

    def find_missing(self, names: list[str]) -> list[str]:
        """Look for none: a request per clip would take too long."""
        return []

    def open(self, clip: Clip) -> '_KeyedClip | _VideoClip':
        """Open a clip, whose frames are then read by name."""
        resolve_inside('.', clip.name, self.option)
        prefix = url_below(self.root, clip.name) if is_url(self.root) else f'{self.root}/{clip.name}'
        if self.suffix in VIDEO_SUFFIXES:
            path = prefix + self.suffix
            return _VideoClip(clip, path, lambda: BytesIO(self.get(path)))
        return _KeyedClip(self, clip, f'{prefix}/', self.suffix)

    def list_frames(self, prefix: str) -> None:
        """Return None: they cannot be listed."""

    def locate(self, key: str) -> str:
        """Name a file in messages."""
        return key

    def get(self, key: str) -> bytes:
        """Read the bytes of a file."""
        return fetch(self.backend, key, self.option)


Storage: TypeAlias = FrameFolders | FrameLmdb | ClipVideos | RemoteClips


class _FolderClip:
    """A folder of frame files: {frame name: path}, in order."""

    def __init__(self, folder, paths):
        self.where, self.paths = folder, paths
        self.names = list(paths)

    def list_frames(self) -> list[str]:
        """List the names of the frames that there are."""
        return self.names

    def locate(self, name: str) -> str:
        return self.paths[name]

    def read(self, names: Sequence[str]) -> list[np.ndarray]:
        """Read frames (H, W, 3) uint8 RGB by name."""
        return list(self.iterate(names))

    def iterate(self, names: Sequence[str]) -> Iterator[np.ndarray]:
        """Read them one after another."""
        return (read_image(self.paths[name]) for name in names)


class _NumberedClip:
    """A clip whose frames are not listed: their names are numbers without a gap."""

    def __init__(self, clip):
        self.first = clip.first or 0
        self.names = self.names_of(clip.num_frames)

    def names_of(self, num_frames: int) -> list[str]:
        """List the names of the first frames."""
        return [f'{number:08d}' for number in range(self.first, self.first + num_frames)]


class _KeyedClip(_NumberedClip):
    """Frames as entries of a storage, called prefix + frame name + suffix."""

    def __init__(self, storage, clip, prefix, suffix):
        super().__init__(clip)
        self.where = storage.locate(prefix)
        self.storage, self.prefix, self.suffix = storage, prefix, suffix

    def list_frames(self) -> list[str] | None:
        """List the names of the frames that there are; None where they cannot be listed."""
        return self.storage.list_frames(self.prefix)

    def locate(self, name: str) -> str:
        return self.storage.locate(f'{self.prefix}{name}{self.suffix}')

    def read(self, names: Sequence[str]) -> list[np.ndarray]:
        """Read frames (H, W, 3) uint8 RGB by name."""
        return list(self.iterate(names))

    def iterate(self, names: Sequence[str]) -> Iterator[np.ndarray]:
        """Read them one after another."""
        for name in names:
            data = self.storage.get(f'{self.prefix}{name}{self.suffix}')
            if data is None:
                raise DataError(f'{self.storage.option}: there is no frame {self.locate(name)}')
            yield decode_image(data, self.locate(name))


class _VideoClip(_NumberedClip):
    """Frames of a video; ``source`` is its path, or makes a file of its bytes."""

    def __init__(self, clip, path, source):
        super().__init__(clip)
        self.where, self.source = path, source

    def list_frames(self) -> list[str] | None:
        """List the names of the frames that there are; None for a video that would have to be fetched."""
        return None if callable(self.source) else self.names_of(count_frames(self.source))

    def locate(self, name: str) -> str:
        return f'{self.where}:{name}'

    def read(self, names: Sequence[str]) -> list[np.ndarray]:
        """Read frames (H, W, 3) uint8 RGB by name."""
        return read_frames(*self._arguments(names))

    def iterate(self, names: Sequence[str]) -> Iterator[np.ndarray]:
        """Read them one after another; the names must be in order."""
        return iterate_frames(*self._arguments(names))

    def _arguments(self, names):
        source = self.source() if callable(self.source) else self.source
        return source, [int(name) - self.first for name in names], self.where


def _environment(root):
    path = os.path.realpath(root)
    process, environment = _environments.get(path, (None, None))
    if process != os.getpid():
        if environment is not None:
            environment.close()
        # Reading ahead would load what random access does not need.
        environment = lmdb.open(path, readonly=True, lock=False, readahead=False)
        pages = environment.info()['last_pgno'] + 1
        if os.path.getsize(os.path.join(path, 'data.mdb')) < pages * environment.stat()['psize']:
            # To read beyond the end of the file would kill the process.
            environment.close()
            raise lmdb.Error('its file data.mdb is cut short')
        _environments[path] = os.getpid(), environment
    return environment


def _require_folder(root, option, content):
    if not root.is_dir():
        raise UserError(f'{option}: no folder {root}; it should hold {content}')
