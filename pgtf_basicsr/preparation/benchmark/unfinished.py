"""A benchmark that is being made, in a hidden folder beside its place, to which it moves once it is whole.

    .<name>.unfinished/benchmark/       what it will be, as far as it is done
    .<name>.unfinished/done.jsonl       a line for each clip that is done
    .<name>.unfinished/options.json     all that it depends on

A run that was killed leaves the hidden folder, and the next one with the same options resumes there.
"""

import json
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

from ...data.benchmarks import GT, LANDMARKS, LQ, MANIFEST, PROTOCOL_FILE, Benchmark
from ...errors import UserError
from ..journal import append_line, open_journal, whole_lines
from ..writers import move_over

__all__ = ['UnfinishedBenchmark']


class UnfinishedBenchmark:
    """A folder for a benchmark to be made in; to use inside ``with``.

    Args:
        root (str | Path): Where the benchmark will lie: nothing, or an empty folder.
        options (dict): All that it depends on, in types of JSON. What was begun with others is removed.

    Attributes:
        clips (dict[str, dict]): What was made of each clip that is done.

    Raises:
        UserError: There is something at ``root``, or another process makes it.
    """

    def __init__(self, root: str | Path, options: dict[str, Any]) -> None:
        self.root, self._options = Path(os.path.abspath(root)), json.dumps(options)
        self._folder = self.root.with_name(f'.{self.root.name}.unfinished')
        self._benchmark, self._staging = self._folder / 'benchmark', self._folder / 'staging'
        self.clips: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> 'UnfinishedBenchmark':
        self._check_root()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._done = open_journal(
                self._folder / 'done.jsonl', f'another process is making {self.root}; wait for it to end'
            )
        except OSError as error:
            raise UserError(f'cannot make the folder {self._folder}: {error.strerror}') from error
        shutil.rmtree(self._staging, ignore_errors=True)
        self._resume()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.close()
        shutil.rmtree(self._staging, ignore_errors=True)
        if error is None or not self.clips:
            shutil.rmtree(self._folder, ignore_errors=True)

    def staging(self, index: int) -> str:
        """Return a folder for a worker to write a clip to: ``GT/<crop>/<clip>`` and so on."""
        return str(self._staging / str(index))

    def add(self, name: str, made: dict[str, Any], staging: str) -> None:
        """Move what was made of a clip to its place, and record that the clip is done.

        Raises:
            UserError: The files cannot be written, for example because the disk is full.
        """
        crops = made['crops'].items()
        folders = [Path(kind, crop, name) for crop, of_crop in crops for kind in (GT, LQ) if kind in of_crop]
        try:
            for path in (*folders, Path(LANDMARKS, f'{name}.txt')):
                move_over(Path(staging, path), self._benchmark / path)
            append_line(self._done, json.dumps({name: made}))
        except OSError as error:
            raise UserError(
                f'cannot write to {self._folder}: {error.strerror}; correct that and run the same command again, '
                'it resumes here'
            ) from error
        self.clips[name] = made

    def finish(self, protocol: dict[str, Any], protocol_text: str, versions: dict[str, str]) -> Benchmark:
        """Write the protocol and the manifest, and move all to its place.

        Raises:
            UserError: They cannot be written.
        """
        benchmark = Benchmark.of(self.root, protocol, self.clips, versions)
        try:
            (self._benchmark / PROTOCOL_FILE).write_text(protocol_text, encoding='utf-8')
            (self._benchmark / MANIFEST).write_text(benchmark.to_json(), encoding='utf-8')
            self._benchmark.rename(self.root)
        except OSError as error:
            raise UserError(f'cannot write {self.root}: {error.strerror}') from error
        return benchmark

    def _check_root(self) -> None:
        if self.root.is_dir() and not os.listdir(self.root):
            return
        if (self.root / MANIFEST).is_file():
            raise UserError(
                f'{self.root} holds a benchmark already: basicsr prepare check says whether it is as it was made; '
                'remove it, or name another folder'
            )
        if os.path.lexists(self.root):
            raise UserError(f'{self.root} is not an empty folder; name a new or empty one')

    def _resume(self) -> None:
        """Read what is done, or begin again where that was with other options."""
        path = self._folder / 'options.json'
        if not path.is_file() or path.read_text() != self._options:
            shutil.rmtree(self._benchmark, ignore_errors=True)
            self._done.truncate(0)
            path.write_text(self._options)
        for line in whole_lines(self._done):
            self.clips |= json.loads(line)
