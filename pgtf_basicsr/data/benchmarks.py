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


def protocol_of(gt: str | Path | None, lq: str | Path | None, scored: Mapping[str, int]) -> str:
    """Return the label of the benchmark that ground truth and degraded clips, or one of them, are a crop of.

    Args:
        gt (str | Path | None): Folder of the ground truth.
        lq (str | Path | None): Folder of the degraded clips.
        scored (dict): {clip: number of its frames} of the clips that are scored.

    Returns:
        str: '' where they are of none, and, which is logged, where they are not all clips of one crop.
    """
    benchmark = _benchmark_of(gt, lq)
    return _label(benchmark, 'what is scored', _differences(benchmark, gt, lq, scored)) if benchmark else ''


def protocol_of_dataset(dataset: Any) -> str:
    """Return the label of the benchmark of which a dataset reads a crop as it is.

    Args:
        dataset (Dataset): With its options as ``opt``, and with ``clip_lengths()``.

    Returns:
        str: '' where it reads none, and, which is logged, where it changes it or does not read all clips of a crop.
    """
    opt = dataset.opt
    gt, lq = opt.get('dataroot_gt'), opt.get('dataroot_lq')
    benchmark = _benchmark_of(gt, lq)
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
        )
        if is_changed
    ]
    differences = _differences(benchmark, gt, lq, dataset.clip_lengths())
    return _label(benchmark, f'dataset {opt.get("name")}', [*changed, *differences])


def hash_of(value: Any) -> str:
    """Return the SHA-256 of a value of JSON's types, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(',', ':'), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _benchmark_of(*paths: str | Path | None) -> Benchmark | None:
    """Find the benchmark of the first of these folders that lies in one."""
    return next(filter(None, (find_benchmark(path) for path in paths if path)), None)


def _differences(
    benchmark: Benchmark, gt: str | Path | None, lq: str | Path | None, scored: Mapping[str, int]
) -> list[str]:
    """Say in what folders and scored clips, {clip: number of its frames}, differ from a crop of a benchmark."""
    differences = []
    crops = {_crop(benchmark, kind, path) for kind, path in ((GT, gt), (LQ, lq)) if path}
    if len(crops) > 1 or None in crops:
        differences.append('its folders are not those of one crop')
    lengths = {name: clip['frames'] for name, clip in benchmark.clips.items()}
    if scored != lengths:
        whole = sum(scored.get(name) == frames for name, frames in lengths.items())
        differences.append(f'it has {whole} of the {len(lengths)} clips as a whole, and {len(scored) - whole} others')
    return differences


def _crop(benchmark: Benchmark, kind: str, path: str | Path) -> str | None:
    folder = Path(os.path.realpath(path))
    return next((crop for crop in benchmark.protocol['crops'] if benchmark.folder(kind, crop) == folder), None)


def _label(benchmark: Benchmark, what: str, differences: Sequence[str]) -> str:
    """Return the label of a benchmark, or '' where what is scored differs from it, which is logged."""
    if not differences:
        return benchmark.label
    get_root_logger().warning(
        f'{what} lies in the benchmark {benchmark.label} and is not a crop of it as it is, so that its results have no '
        f'protocol: {"; ".join(differences)}.'
    )
    return ''
