"""Clips in an LMDB, written clip by clip: the key of a frame is ``<clip>/<frame>``, the value its image file."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import lmdb

__all__ = ['LmdbClips']


class LmdbClips:
    """An LMDB of clips, open for writing.

    Args:
        path (Path): The LMDB's folder, made if needed.
    """

    def __init__(self, path: Path):
        path.mkdir(parents=True, exist_ok=True)
        self._environment = lmdb.open(str(path), map_size=2**30, lock=False, readahead=False)

    def close(self) -> None:
        """Close the LMDB."""
        self._environment.close()

    def put(self, clip: str, frames: Callable[[], Iterable[tuple[str, bytes]]]) -> None:
        """Add a clip in one transaction.

        Args:
            clip (str): Its name.
            frames (Callable): Returns pairs of a frame's name and its bytes. It is called again if the LMDB has to
                grow.
        """
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for frame, data in frames():
                        transaction.put(f'{clip}/{frame}'.encode(), data)
                return
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()['map_size'])

    def frames(self, clip: str) -> Iterator[tuple[str, bytes]]:
        """Iterate over names and bytes of a clip's frames."""
        prefix = f'{clip}/'.encode()
        with self._environment.begin() as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                yield cursor.key()[len(prefix) :].decode(), cursor.value()
                found = cursor.next()

    def delete(self, clip: str) -> None:
        """Remove a clip."""
        frames = [frame for frame, _ in self.frames(clip)]
        with self._environment.begin(write=True) as transaction:
            for frame in frames:
                transaction.delete(f'{clip}/{frame}'.encode())
