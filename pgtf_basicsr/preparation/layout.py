"""The folders that training reads, while they are being made: which sources are done, where clips go, and resuming.

Workers write each clip into ``.prepare/``. It is moved to its place and then recorded in ``prepare_done.jsonl``. A run
that was killed resumes after the last clip that was recorded.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb

from ..data.clips import Clip, write_meta_info
from ..errors import UserError
from ..files import list_visible, remove_partial_files, replacing
from .journal import append_line, open_journal, whole_lines
from .lmdb_clips import LmdbClips
from .report import Note, write_report
from .splits import SPLITS, split_clips
from .writers import move_over

__all__ = [
    'DONE_FILE',
    'GT',
    'LANDMARKS',
    'LQ',
    'META_INFO',
    'OPTIONS_FILE',
    'REPORT_FILE',
    'STORAGES',
    'Layout',
    'Record',
]

STORAGES = ('frames', 'lmdb', 'video')
OPTIONS_FILE, DONE_FILE, REPORT_FILE = 'prepare.json', 'prepare_done.jsonl', 'left_out.txt'
META_INFO = 'meta_info.txt'
GT, LQ, LANDMARKS = 'GT', 'LR_Blind', 'landmarks'
STAGING = '.prepare'


@dataclass(frozen=True)
class Record:
    """The result of a source, which is a clip or a video.

    Attributes:
        source (str): Name of the source.
        identity (str): Identity of the face that it shows.
        clips (list[Clip]): Clips that were made of it.
        notes (list[Note]): What was skipped or changed.
        interpolated (int): Number of frames whose landmarks are interpolated.
    """

    source: str
    identity: str
    clips: list[Clip] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    interpolated: int = 0

    def to_json(self) -> str:
        """Convert to a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str | bytes) -> 'Record':
        """Convert from a line of JSON."""
        values = json.loads(line)
        values['clips'] = [Clip(**clip) for clip in values['clips']]
        values['notes'] = [Note(**note) for note in values['notes']]
        return cls(**values)


class Layout:
    """A folder of clips that is being made; to use inside ``with``.

    Args:
        root (str | Path): The folder: new, empty, or made with the same options before.
        options (dict): Everything that the result depends on, in types of JSON.
        storage (str): One of `STORAGES`.

    Attributes:
        root (Path): The folder.
        records (dict[str, Record]): What is done, by source.

    Raises:
        UserError: The folder holds something else, was made with other options, or another process works on it.
    """

    def __init__(self, root: str | Path, options: dict[str, Any], storage: str):
        self.root, self.options, self.storage = Path(root), options, storage
        self.records: dict[str, Record] = {}
        self._lmdbs: dict[Path, LmdbClips] = {}

    def __enter__(self) -> 'Layout':
        self._check_root()
        self.root.mkdir(parents=True, exist_ok=True)
        self._done = open_journal(
            self.root / DONE_FILE, f'another process is preparing {self.root}; wait for it to end'
        )
        shutil.rmtree(self.root / STAGING, ignore_errors=True)
        for folder in (self.root, *(self.root / split for split in SPLITS)):
            remove_partial_files(folder)
        with replacing(self.root / OPTIONS_FILE) as file:
            file.write_text(json.dumps(self.options, indent=2) + '\n')
        self._read_done()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for clips in self._lmdbs.values():
            clips.close()
        self._lmdbs.clear()
        shutil.rmtree(self.root / STAGING, ignore_errors=True)
        self._done.close()

    def has(self, source: str) -> bool:
        """Whether a source is done. One without a clip may have been repaired since, so it is tried again."""
        return source in self.records and bool(self.records[source].clips)

    def staging(self, index: int) -> str:
        """Folder for a worker to write the clips of a source to: ``GT/<clip>`` and so on."""
        return str(self.root / STAGING / str(os.getpid()) / str(index))

    def add(self, record: Record, staging: str, split: str) -> None:
        """Move a source's clips from their staging folder to a split, and record that the source is done.

        Raises:
            UserError: The files cannot be written, for example because the disk is full.
        """
        try:
            self._move_staged(Path(staging), split)
            append_line(self._done, record.to_json())
        except (OSError, lmdb.Error) as error:
            raise UserError(
                f'cannot write to {self.root}: {error}; correct that and run the same command again, it resumes here'
            ) from error
        self.records[record.source] = record

    def finish(self, notes: list[Note], val_share: float, seed: int) -> dict[str, list[Clip]]:
        """Move every clip to its final split, and write the lists and the report.

        Args:
            notes (list[Note]): Notes to report in addition to those of the records.
            val_share (float): As in `splits.split_identities`.
            seed (int): As in `splits.split_identities`.

        Returns:
            dict[str, list[Clip]]: Clips by split.
        """
        identities = {clip.name: record.identity for record in self.records.values() for clip in record.clips}
        splits = split_clips(identities, val_share, seed)
        for name, split in splits.items():
            for other in SPLITS:
                if other != split and (self.root / other / LANDMARKS / f'{name}.txt').exists():
                    self._change_split(name, other, split)
        clips: dict[str, list[Clip]] = {split: [] for split in SPLITS}
        for record in self.records.values():
            for clip in record.clips:
                clips[splits[clip.name]].append(clip)
        for split, members in clips.items():
            self._write_list(self.root / split / META_INFO, members)
        all_notes = [note for record in self.records.values() for note in record.notes] + notes
        write_report(self.root / REPORT_FILE, all_notes)
        return clips

    def _check_root(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f'{self.root} is a file; a folder is needed to prepare clips in')
        if (self.root / OPTIONS_FILE).exists():
            self._require_same_options(self.root / OPTIONS_FILE)
        elif self.root.exists() and not self._was_just_begun():
            raise UserError(f'{self.root} is not empty and was not made by prepare; name a new or empty folder')

    def _was_just_begun(self) -> bool:
        """Whether the folder is empty, or a process was killed in it before it had written its options."""
        return set(list_visible(self.root)) <= {DONE_FILE}

    def _require_same_options(self, path: Path) -> None:
        try:
            before = json.loads(path.read_text())
            different = [name for name in {**before, **self.options} if before.get(name) != self.options.get(name)]
        except (ValueError, OSError, TypeError) as error:
            raise UserError(f'{path} cannot be read: {error}; remove {self.root} to start again') from error
        if different:
            differences = ', '.join(
                f'{name} was {before.get(name)!r} and is now {self.options.get(name)!r}' for name in different
            )
            raise UserError(
                f'{self.root} was made with other options: {differences}; use the same ones, or another folder'
            )

    def _read_done(self) -> None:
        for line in whole_lines(self._done):
            record = Record.from_json(line)
            self.records[record.source] = record

    def _move_staged(self, staging: Path, split: str) -> None:
        for kind in (GT, LQ, LANDMARKS):
            for name in list_visible(staging / kind) if (staging / kind).is_dir() else ():
                entry = staging / kind / name
                if self._in_lmdb(kind):
                    self._lmdb(split, kind).put(entry.name, partial(_files_of, entry))
                else:
                    move_over(entry, self.root / split / kind / entry.name)
        shutil.rmtree(staging, ignore_errors=True)

    def _change_split(self, name: str, source: str, target: str) -> None:
        """Move a clip to another split, or finish doing so. Landmarks go last: they show in which split a clip is."""
        for kind in (GT, LQ):
            if self._in_lmdb(kind):
                if (self.root / source / f'{kind}.lmdb').exists():
                    before = self._lmdb(source, kind)
                    self._lmdb(target, kind).put(name, partial(before.frames, name))
                    before.delete(name)
                continue
            for path in (self.root / source / kind / name, self.root / source / kind / f'{name}.mp4'):
                if path.exists():
                    move_over(path, self.root / target / kind / path.name)
        move_over(self.root / source / LANDMARKS / f'{name}.txt', self.root / target / LANDMARKS / f'{name}.txt')

    @staticmethod
    def _write_list(path: Path, clips: Iterable[Clip]) -> None:
        clips = sorted(clips, key=lambda clip: clip.name)
        if not clips:
            path.unlink(missing_ok=True)
            return
        with replacing(path) as file:
            write_meta_info(file, clips)

    def _in_lmdb(self, kind: str) -> bool:
        return self.storage == 'lmdb' and kind != LANDMARKS

    def _lmdb(self, split: str, kind: str) -> LmdbClips:
        path = self.root / split / f'{kind}.lmdb'
        if path not in self._lmdbs:
            self._lmdbs[path] = LmdbClips(path)
        return self._lmdbs[path]


def _files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name without suffix and bytes of each file."""
    for file in map(folder.joinpath, list_visible(folder)):
        yield file.stem, file.read_bytes()
