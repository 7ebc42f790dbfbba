"""Benchmarks: test sets made by a protocol, whose every pixel is pinned.

    <root>/GT/<crop>/<clip>/00000000.png    ground truth; a crop is aligned or unaligned, as the protocol asks for
    <root>/LQ/<crop>/<clip>/00000000.png    the same degraded; of clips without ground truth, the frames alone
    <root>/landmarks/<clip>.txt             landmarks of the frame that each clip is aligned by
    <root>/protocol.yml                     the protocol
    <root>/manifest.json                    its options, hashes of all pixels, and versions of what made them

`basicsr prepare benchmark` makes one. Results of a test on it carry its label, such as 'table1@8c2f01ab'.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from ..errors import UserError

__all__ = [
    'GT',
    'LANDMARKS',
    'LQ',
    'MANIFEST',
    'PROTOCOL_FILE',
    'Benchmark',
    'find_benchmark',
    'hash_of',
    'load_manifest',
    'protocol_of',
    'protocol_of_dataset',
    'read_benchmark',
]

GT, LQ, LANDMARKS = 'GT', 'LQ', 'landmarks'
MANIFEST, PROTOCOL_FILE = 'manifest.json', 'protocol.yml'


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's manifest, and where it lies.

    Attributes:
        root (Path): The folder.
        protocol (dict): Options of the protocol with their defaults, see `protocols.Protocol`.
        clips (dict): {clip: what was made of it}: ``frames``, their number; ``landmarks``, (5, 2) of the frame that it
            is aligned by; ``crops``, {crop: dict(matrix=..., GT=..., LQ=...)} with the transform from the source's
            pixels and, of each folder of frames, ``sha256`` of all and ``crc32`` of each; ``degradation``, what was
            drawn, see `degradation.DegradationParameters`.
        versions (dict): Versions of what the pixels depend on.
        identity (str): Hash of the protocol and the clips: two benchmarks of one identity are the same test.
    """

    root: Path
    protocol: dict[str, Any]
    clips: dict[str, Any]
    versions: dict[str, str]
    identity: str

    @property
    def label(self) -> str:
        """Name of the protocol and the beginning of the identity, such as 'table1@8c2f01ab'."""
        return f'{self.protocol["name"]}@{self.identity[:8]}'

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of frames that it holds: GT and LQ, or LQ alone."""
        return (LQ,) if self.protocol['degradation'] is None else (GT, LQ)

    def folder(self, kind: str, crop: str) -> Path:
        """Return the folder of the clips of a kind, GT or LQ, and a crop, 'aligned' or 'unaligned'."""
        return self.root / kind / crop

    def to_json(self) -> str:
        """Write the manifest, the same text for the same benchmark wherever it lies."""
        contents = {**self._contents(), 'identity': self.identity, 'versions': self.versions}
        return json.dumps({**contents, 'hash': hash_of(contents)}, indent=1, sort_keys=True) + '\n'

    @classmethod
    def of(cls, root: Path, protocol: dict[str, Any], clips: dict[str, Any], versions: dict[str, str]) -> 'Benchmark':
        """Make one of its parts, whose identity follows."""
        return cls(root, protocol, clips, versions, hash_of({'protocol': protocol, 'clips': clips}))

    def changes(self, stated: str) -> list[str]:
        """List what was changed in the manifest since it was written; ``stated`` is the hash that it states."""
        contents = self._contents()
        if hash_of(contents) != self.identity:
            return ['its protocol or its clips were changed, which do not have the identity that it states']
        if hash_of({**contents, 'identity': self.identity, 'versions': self.versions}) != stated:
            return ['its versions were changed, which do not have the hash that it states']
        return []

    def _contents(self):
        return {'protocol': self.protocol, 'clips': self.clips}


def load_manifest(root: str | Path) -> tuple[Benchmark, list[str]]:
    """Read the manifest of a benchmark, and list what was changed in it since it was written.

    Raises:
        UserError: There is none, or it is something else.
    """
    path = Path(root, MANIFEST)
    try:
        contents = json.loads(path.read_text(encoding='utf-8'))
        parts = (contents[key] for key in ('protocol', 'clips', 'versions', 'identity'))
        benchmark = Benchmark(Path(root), *parts)
        # What has no name or no kinds is something else.
        return benchmark, benchmark.changes(contents['hash']) if benchmark.label and benchmark.kinds else []
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror}') from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f'{path} is not the manifest of a benchmark ({type(error).__name__}: {error}); '
            'basicsr prepare benchmark writes one'
        ) from error


def read_benchmark(root: str | Path) -> Benchmark:
    """Read a benchmark.

    Raises:
        UserError: There is none in this folder, or its manifest was changed.
    """
    benchmark, changes = load_manifest(root)
    if changes:
        raise UserError(f'{Path(root, MANIFEST)}: {changes[0]}; basicsr prepare check {root} says what differs')
    return benchmark


def find_benchmark(path: str | Path) -> Benchmark | None:
    """Find the benchmark that a file or folder lies in; links are followed.

    Raises:
        UserError: Its manifest was changed or cannot be read.
    """
    path = Path(os.path.realpath(path))
    for folder in (path, *path.parents):
        if (folder / MANIFEST).is_file() and (folder / PROTOCOL_FILE).is_file():
            return read_benchmark(folder)
    return None


def protocol_of(gt: str | Path | None, lq: str | Path | None) -> str:
    """Return the label of the benchmark that ground truth and degraded clips, or one of them, lie in.

    Returns:
        str: '' where they lie in none, in two, or in two crops of one.
    """
    return _common_label(_places(gt, lq))


def protocol_of_dataset(opt: Mapping[str, Any]) -> str:
    """Return the label of the benchmark whose clips a dataset reads as they are, by the dataset's options.

    Returns:
        str: '' where it reads none, or where it changes them, which is logged.
    """
    gt, lq = opt.get('dataroot_gt'), opt.get('dataroot_lq')
    places = _places(gt, lq)
    benchmark = next((benchmark for benchmark, _ in places if benchmark), None)
    if benchmark is None:
        return ''
    changed = [
        key
        for key, is_changed in (
            ('dataroot_gt', not gt and GT in benchmark.kinds),
            ('dataroot_lq', not lq),
            ('gt_size', opt.get('gt_size', benchmark.protocol['size']) != benchmark.protocol['size']),
            ('dataroot_landmarks', opt.get('dataroot_landmarks')),
            ('placement', opt.get('placement')),
            ('aligned', not opt.get('aligned', True)),
            ('max_frames', opt.get('max_frames')),
            ('meta_info_file', opt.get('meta_info_file')),
        )
        if is_changed
    ]
    label = _common_label(places)
    if changed or not label:
        get_root_logger().warning(
            f'dataset {opt.get("name")} lies in the benchmark {benchmark.label} and does not read it as it is, so that '
            f'its results have no protocol: {", ".join(changed) or "dataroot_gt and dataroot_lq are not of one crop"}.'
        )
        return ''
    return label


def hash_of(value: Any) -> str:
    """Return the SHA-256 of a value of JSON's types, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _places(gt: str | Path | None, lq: str | Path | None) -> list[tuple[Benchmark | None, str | None]]:
    """For each folder that is given: the benchmark that it lies in, and the crop whose frames of its kind it has."""
    places: list[tuple[Benchmark | None, str | None]] = []
    for path, kind in ((gt, GT), (lq, LQ)):
        if path:
            benchmark = find_benchmark(path)
            places.append((benchmark, _crop(path, kind, benchmark) if benchmark else None))
    return places


def _crop(path: str | Path, kind: str, benchmark: Benchmark) -> str | None:
    parts = Path(os.path.realpath(path)).relative_to(os.path.realpath(benchmark.root)).parts
    return parts[1] if len(parts) > 1 and parts[0] == kind else None


def _common_label(places: Sequence[tuple[Benchmark | None, str | None]]) -> str:
    """Label of the benchmark that all places are one crop of, or ''."""
    found = {(benchmark.label, crop) if benchmark and crop else ('', None) for benchmark, crop in places}
    return found.pop()[0] if len(found) == 1 else ''
