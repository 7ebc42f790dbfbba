"""Networks behind metrics and the files that hold them: where they lie, and how they get into a network."""

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from .checkpoints import read_torch_file
from .devices import find_device
from .errors import UserError

__all__ = ['Backend', 'Device', 'NetworkFile', 'load_backend', 'load_network', 'package_folder', 'prepare_backend']

Device = Literal['auto', 'cpu', 'cuda']


class Backend(NamedTuple):
    """What a table tells of a metric's backend.

    Attributes:
        label (str): Its name, to be shown beside the numbers.
        of_paper (bool): Whether the numbers compare with the paper's.
    """

    label: str
    of_paper: bool


class NetworkFile(NamedTuple):
    """A published file of weights.

    Attributes:
        name (str): Of the file.
        url (str): Where it is published.
        sha256 (str | None): First digits of its checksum, where the publisher states them.
    """

    name: str
    url: str
    sha256: str | None = None

    def places(self):
        """Paths where the file is looked for: ``weights/``, facexlib's folder, the torch hub cache."""
        folders = [Path('weights').absolute(), self._cache()]
        package = package_folder('facexlib')
        if package:
            folders.insert(1, package / 'weights')
        return [folder / self.name for folder in folders]

    def find(self, weights=None, download=False):
        """Path of the file.

        Args:
            weights (str | Path | None): The file, as the options name it; None looks in `places`.
            download (bool): Whether the user allows to fetch it into the torch hub cache.

        Raises:
            UserError: It is nowhere, or the download failed.
        """
        if weights is not None:
            path = Path(weights).expanduser()
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
    def _cache():
        return Path(torch.hub.get_dir(), 'checkpoints')

    def _fetch(self):
        path = self._cache() / self.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(self.url, str(path), hash_prefix=self.sha256, progress=False)
        except (OSError, RuntimeError) as error:
            raise UserError(f'{self.url} cannot be fetched into {path}: {error}') from error
        return path


def prepare_backend(kind, weights=None, device='auto', download=False):
    """Make sure that all that a backend needs is there, without loading it.

    Args:
        kind (type): The backend's class, with a ``label``, and ``source``, whose ``find`` is that of `NetworkFile`, or
            None where nothing is needed.
        weights (str | None): File of its network; None looks in the usual places.
        device (str): auto, cpu or cuda.
        download (bool): Whether the file may be fetched.

    Returns:
        Backend: The label.

    Raises:
        UserError: A file is missing, or a package, or there is no such device.
    """
    find_device(device)
    _find(kind, weights, download)
    return kind.label


def load_backend(kind, weights=None, device='auto', download=False):
    """A backend, loaded once per process and arguments, which are those of `prepare_backend`.

    Raises:
        UserError: A file is missing or wrong, or a package is missing.
    """
    return _loaded(kind, _find(kind, weights, download), device)


def package_folder(name):
    """Folder of an installed package, found without importing it; None where it is not installed."""
    spec = find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def load_network(net, path, device):
    """Fill a network from a file, bare or below ``state_dict``, and make it ready to be looked through.

    Raises:
        UserError: The file cannot be read or is not one of this network.
    """
    try:
        contents = read_torch_file(path)
        # Not this package's own loading, which wants counters of batches that files of old torch versions lack.
        net.load_state_dict(contents.get('state_dict', contents))
    except Exception as error:  # torch raises many kinds for a file that is not what it should be
        reason = ' '.join(str(error).split())[:200]
        raise UserError(f'{path} cannot be loaded into {type(net).__name__}: {reason}') from error
    return net.requires_grad_(False).eval().to(find_device(device))


def _find(kind, weights, download):
    return kind.source and kind.source.find(weights, download)


@functools.cache
def _loaded(kind, path, device):
    return kind(path, device) if path else kind()
