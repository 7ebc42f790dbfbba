"""Networks behind metrics: find the files of their weights, and load them."""

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from .checkpoints import read_torch_file
from .devices import find_device
from .errors import UserError, in_one_line
from .files import expand_home

__all__ = ['Backend', 'Device', 'NetworkFile', 'load_backend', 'load_network', 'package_folder', 'prepare_backend']

Device = Literal['auto', 'cpu', 'cuda']


class Backend(NamedTuple):
    """What the numbers of a metric are computed with.

    Attributes:
        label: Its name, shown beside the numbers; '' where nothing needs to be said.
        of_paper: Whether the numbers are comparable with the paper's.
    """

    label: str
    of_paper: bool


class NetworkFile(NamedTuple):
    """A published file of weights.

    Attributes:
        name: Of the file.
        url: Where it is published.
        sha256: First digits of its checksum, where the publisher states them.
    """

    name: str
    url: str
    sha256: str | None = None

    def places(self) -> list[Path]:
        """Paths that are searched for the file: ``weights/``, facexlib's folder, the torch hub cache."""
        folders = [Path('weights').absolute(), self._cache()]
        package = package_folder('facexlib')
        if package:
            folders.insert(1, package / 'weights')
        return [folder / self.name for folder in folders]

    def find(self, weights: str | Path | None = None, download: bool = False) -> Path:
        """Find the file, or download it.

        Args:
            weights: The file, as the options name it; None searches `places`.
            download: Whether the user allows a download into the torch hub cache.

        Raises:
            UserError: The file is missing, or the download failed.
        """
        if weights is not None:
            path = expand_home(weights)
            if not path.is_file():
                raise UserError(
                    f'weights: there is no file {path} (looked for {path.absolute()}); '
                    f'it should be a copy of {self.name}'
                )
            return path
        places = self.places()
        found = next((place for place in places if place.is_file()), None)
        if found is None and download:
            return self._fetch()
        if found is None:
            raise UserError(
                f'{self.name} is missing: name a copy of it with the option `weights`, put it at '
                f'{" or ".join(map(str, places))}, or set `download: true` to fetch {self.url}'
            )
        return found

    @staticmethod
    def _cache() -> Path:
        return Path(torch.hub.get_dir(), 'checkpoints')

    def _fetch(self) -> Path:
        path = self._cache() / self.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(path), hash_prefix=self.sha256, progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(f'{self.url} cannot be fetched into {path}: {error}') from error
        return path


def prepare_backend(
    kind: Any, weights: str | Path | None = None, device: Device = 'auto', download: bool = False
) -> Backend:
    """Check that all that a backend needs is there, without loading it.

    Args:
        kind: The backend's class, with a ``label``, and ``source``, whose ``find`` is that of `NetworkFile`, or None
            where nothing is needed.
        weights: File of its network; None searches the usual places.
        device: auto, cpu or cuda.
        download: Whether the file may be downloaded.

    Returns:
        The label.

    Raises:
        UserError: A file, a package or the device is missing.
    """
    find_device(device)
    _find(kind, weights, download)
    return kind.label


def load_backend(kind: Any, weights: str | Path | None = None, device: Device = 'auto', download: bool = False) -> Any:
    """Load a backend, once per process and arguments, which are those of `prepare_backend`.

    Raises:
        UserError: A file is missing or wrong, or a package is missing.
    """
    return _loaded(kind, _find(kind, weights, download), device)


def package_folder(name: str) -> Path | None:
    """Find the folder of an installed package without importing it; None where it is not installed."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def load_network(net: nn.Module, path: str | Path, device: str) -> nn.Module:
    """Load the weights of a frozen network from a file, which holds them bare or below ``state_dict``.

    Raises:
        UserError: The file cannot be read, or its weights are not those of this network.
    """
    try:
        contents = read_torch_file(path)
        # Not this package's own loading, which requires batch counters that files of old torch versions lack.
        net.load_state_dict(contents.get('state_dict', contents))
    except Exception as error:  # torch raises many kinds for a file that is not what it should be
        raise UserError(f'{path} cannot be loaded into {type(net).__name__}: {in_one_line(error)}') from error
    return net.requires_grad_(False).eval().to(find_device(device))


def _find(kind: Any, weights: str | Path | None, download: bool) -> Any:
    return kind.source and kind.source.find(weights, download)


@functools.cache
def _loaded(kind: Any, path: Path | None, device: Device) -> Any:
    return kind(path, device) if path else kind()
