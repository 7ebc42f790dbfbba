"""The folders that training reads, while they are made: what is done, what goes where, and picking up again.

Workers write each clip into ``.prepare/``; it is moved into its place and then noted in ``prepare_done.jsonl``.  A run
that was killed goes on after the last clip that was noted.
"""

import fcntl
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import lmdb

from ..data.clips import Clip, write_meta_info
from ..errors import UserError
from ..files import remove_partial_files, replacing
from .pieces import Note, frame_name
from .splits import SPLITS, placed

__all__ = ['DONE_FILE', 'OPTIONS_FILE', 'REPORT_FILE', 'Layout', 'Record']

OPTIONS_FILE, DONE_FILE, REPORT_FILE = 'prepare.json', 'prepare_done.jsonl', 'left_out.txt'
GT, LQ, LANDMARKS = 'GT', 'LR_Blind', 'landmarks'
STAGING = '.prepare'


@dataclass(frozen=True)
class Record:
    """What became of a source, a clip or a video.

    Attributes:
        source: Its name.
        identity: Whose face it shows.
        clips (list[Clip]): What was made of it.
        notes (list[Note]): What was left out of it or changed.
        interpolated: Number of frames with landmarks interpolated.
    """

    source: str
    identity: str
    clips: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    interpolated: int = 0

    def to_json(self):
        """As a line of text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line):
        """From a line of text."""
        values = json.loads(line)
        values['clips'] = [Clip(**clip) for clip in values['clips']]
        values['notes'] = [Note(**note) for note in values['notes']]
        return cls(**values)


class Layout:
    """A folder of clips that is being made; to use inside ``with``.

    Args:
        root (str | Path): The folder, new, empty, or made with the same options before.
        options (dict): What the result depends on, as JSON can hold it.
        storage (str): One of `staging.STORAGES`.

    Raises:
        UserError: It holds something else, was made with other options, or another process is at work on it.
    """

    def __init__(self, root, options, storage):
        self.root, self.options, self.storage = Path(root), options, storage
        self.records = {}

    def __enter__(self):
        options_file = self.root / OPTIONS_FILE
        if self.root.exists() and not self.root.is_dir():
            raise UserError(f'{self.root} is a file; a folder is needed to prepare clips in')
        if options_file.exists():
            self._require_same_options(options_file)
        elif self.root.exists() and any(self.root.iterdir()):
            raise UserError(f'{self.root} is not empty and was not made by prepare; name a new or empty folder')
        self.root.mkdir(parents=True, exist_ok=True)
        self._done = open(self.root / DONE_FILE, 'a+b')
        try:
            # A lock of this process alone: workers that outlive it by a moment do not keep it.
            fcntl.lockf(self._done, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            self._done.close()
            raise UserError(f'another process is preparing {self.root}; wait for it to end') from error
        shutil.rmtree(self.root / STAGING, ignore_errors=True)
        for folder in (self.root, *(self.root / split for split in SPLITS)):
            remove_partial_files(folder)
        with replacing(options_file) as file:
            file.write_text(json.dumps(self.options, indent=2) + '\n')
        self._read_done()
        self._environments = {}
        return self

    def __exit__(self, *exc_info):
        for environment in self._environments.values():
            environment.close()
        shutil.rmtree(self.root / STAGING, ignore_errors=True)
        self._done.close()

    def has(self, source):
        """Whether a source is done.  One that nothing came of may have been mended since, and is tried again."""
        return source in self.records and bool(self.records[source].clips)

    def staging(self, index):
        """Name of a folder for a worker to write the clips of a source to: ``GT/<clip>`` and so on."""
        return str(self.root / STAGING / str(os.getpid()) / str(index))

    def add(self, record, staging, split):
        """Move a source's clips from their staging folder into a split, and note that the source is done.

        Raises:
            UserError: The disk is full, or the like.
        """
        try:
            self._take_over(Path(staging), split)
            self._done.write(record.to_json().encode() + b'\n')
            self._done.flush()
        except (OSError, lmdb.Error) as error:
            raise UserError(
                f'cannot write to {self.root}: {error}; put that right and run the same command again, it '
                'goes on from here'
            ) from error
        self.records[record.source] = record

    def finish(self, notes, val_share, seed):
        """Put every clip into its split, write the lists and the report.

        Args:
            notes (list[Note]): To report beside those of the records.
            val_share, seed: As of `splits.assign`.

        Returns:
            dict: {split: list of its clips}
        """
        identities = {clip.name: record.identity for record in self.records.values() for clip in record.clips}
        places = placed(identities, val_share, seed)
        for name, split in places.items():
            for other in SPLITS:
                if other != split and (self.root / other / LANDMARKS / f'{name}.txt').exists():
                    self._transfer(name, other, split)
        clips = {split: [] for split in SPLITS}
        for record in self.records.values():
            for clip in record.clips:
                clips[places[clip.name]].append(clip)
        for split, members in clips.items():
            members.sort(key=lambda clip: clip.name)
            if members:
                with replacing(self.root / split / 'meta_info.txt') as file:
                    write_meta_info(file, members)
            else:
                (self.root / split / 'meta_info.txt').unlink(missing_ok=True)
        self._write_report([note for record in self.records.values() for note in record.notes] + notes)
        return clips

    def _take_over(self, staging, split):
        for kind in (GT, LQ, LANDMARKS):
            for entry in sorted((staging / kind).iterdir()) if (staging / kind).is_dir() else ():
                if self._in_lmdb(kind):
                    self._put(split, kind, entry.name, partial(_files_of, entry))
                else:
                    _move(entry, self.root / split / kind / entry.name)
        shutil.rmtree(staging, ignore_errors=True)

    def _require_same_options(self, path):
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

    def _read_done(self):
        self._done.seek(0)
        end = 0
        for line in self._done:
            if not line.endswith(b'\n'):  # the process was killed while it wrote this
                break
            end += len(line)
            record = Record.from_json(line)
            self.records[record.source] = record
        self._done.truncate(end)

    def _in_lmdb(self, kind):
        return self.storage == 'lmdb' and kind != LANDMARKS

    def _transfer(self, name, source, target):
        """Move a clip to another split, or finish doing so.  Landmarks go last: they tell where a clip is."""
        for kind in (GT, LQ):
            if self._in_lmdb(kind):
                if (self.root / source / f'{kind}.lmdb').exists():
                    self._put(target, kind, name, partial(self._entries, source, kind, name))
                    self._delete(source, kind, name)
                continue
            for path in (self.root / source / kind / name, self.root / source / kind / f'{name}.mp4'):
                if path.exists():
                    _move(path, self.root / target / kind / path.name)
        _move(self.root / source / LANDMARKS / f'{name}.txt', self.root / target / LANDMARKS / f'{name}.txt')

    def _write_report(self, notes):
        lines = ['clip\tframes\treason\n']
        for note in sorted(notes, key=lambda note: (note.clip, note.first or 0)):
            frames = 'all' if note.first is None else frame_name(note.first)
            if note.last != note.first:
                frames += f'-{frame_name(note.last)}'
            lines.append(f'{note.clip}\t{frames}\t{note.reason}\n')
        with replacing(self.root / REPORT_FILE) as file:
            file.write_text(''.join(lines))

    def _environment(self, split, kind):
        path = self.root / split / f'{kind}.lmdb'
        if path not in self._environments:
            path.mkdir(parents=True, exist_ok=True)
            self._environments[path] = lmdb.open(str(path), map_size=2**30, lock=False, readahead=False)
        return self._environments[path]

    def _put(self, split, kind, name, entries):
        """Add a clip's frames, (frame name, bytes) each of what ``entries()`` yields, in one transaction."""
        environment = self._environment(split, kind)
        while True:
            try:
                with environment.begin(write=True) as transaction:
                    for frame, data in entries():
                        transaction.put(f'{name}/{frame}'.encode(), data)
                return
            except lmdb.MapFullError:
                environment.set_mapsize(2 * environment.info()['map_size'])

    def _entries(self, split, kind, name):
        prefix = f'{name}/'.encode()
        with self._environment(split, kind).begin() as transaction:
            cursor = transaction.cursor()
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                yield cursor.key()[len(prefix) :].decode(), cursor.value()
                found = cursor.next()

    def _delete(self, split, kind, name):
        frames = [frame for frame, _ in self._entries(split, kind, name)]
        with self._environment(split, kind).begin(write=True) as transaction:
            for frame in frames:
                transaction.delete(f'{name}/{frame}'.encode())


def _files_of(folder):
    """Name without suffix and bytes of each file."""
    for file in sorted(folder.iterdir()):
        yield file.stem, file.read_bytes()


def _move(source, target):
    """Rename; what a killed run left at the target gives way."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)
