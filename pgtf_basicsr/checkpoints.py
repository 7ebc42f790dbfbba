"""Checkpoints: reading weights that this or another program wrote, loading them into a network, writing.

The formats are BasicSR's ``.pth`` files (``params_ema``, ``params``), bare state dicts, and ``.safetensors``.
Checkpoints of this package also state which network they belong to: the key ``network`` holds
``dict(type='PGTFormer', **constructor_arguments)``, and the key ``checkpoint`` holds the result of `origin`;
``.safetensors`` have both as JSON in their metadata.
"""

import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .errors import UserError
from .files import expand_home, replacing
from .version import __version__

__all__ = [
    'FORMAT',
    'Checkpoint',
    'checksum',
    'load_weights',
    'origin',
    'read_checkpoint',
    'read_torch_file',
    'state_dict',
    'write_checkpoint',
]

StateDict = dict[str, torch.Tensor]

# Version of the layout of checkpoints and training states. It goes up when older readers would misread newer files.
FORMAT = 1
PARAM_KEYS = ('params_ema', 'params')
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Checkpoint:
    """Contents of a file of weights.

    Attributes:
        path (Path): The file.
        states (dict[str, dict[str, Tensor]]): State dicts by their key. A bare one has the key ''.
        network (dict | None): Options of the network that the weights belong to, if the file has them.
        origin (dict | None): Result of the function `origin`, if the file has it.
    """

    path: Path
    states: dict[str, StateDict]
    network: dict[str, Any] | None = None
    origin: dict[str, Any] | None = None

    def state_dict(self, param_key: str | None = None) -> StateDict:
        """Return the state dict of the key `param_key`, or by default params_ema, else params, else the bare one.

        Raises:
            UserError: The file has no state dict of that name.
        """
        if param_key is None:
            param_key = next(key for key in (*PARAM_KEYS, '') if key in self.states)
        if param_key not in self.states:
            raise UserError(
                f'{self.path} has no weights called {param_key}, but '
                f'{" and ".join(key or "a bare state dict" for key in self.states)}'
            )
        return self.states[param_key]


def read_checkpoint(path: str | Path, mmap: bool = False) -> Checkpoint:
    """Read a file of weights onto the CPU, without executing anything it contains.

    Args:
        path (str | Path): A ``.pth``, ``.pt`` or ``.safetensors`` file.
        mmap (bool): Leave the tensors in the file until their values are used. Default: False.

    Returns:
        Checkpoint: A leading ``module.`` is removed from the tensors' names.

    Raises:
        UserError: The file is missing, damaged, or holds no weights.
    """
    path = expand_home(path)
    if path.is_dir():
        raise UserError(f'{path} is a folder, not a file of weights')
    if not path.is_file():
        raise UserError(f'weights not found: {path} (looked for {path.absolute()})')
    try:
        if path.suffix == '.safetensors':
            contents, network, source = _read_safetensors(path)
        else:
            contents = read_torch_file(path, mmap)
            network, source = contents.get('network'), contents.get('checkpoint')
    except Exception as error:  # a damaged or foreign pickle can raise nearly anything
        raise UserError(
            f'{path} cannot be read as weights: it is damaged, or holds other things than tensors '
            f'({type(error).__name__})'
        ) from error

    states = {key: contents[key] for key in PARAM_KEYS if _is_state_dict(contents.get(key))}
    if not states and _is_state_dict(contents):
        states = {'': contents}
    if not states:
        raise UserError(
            f'{path} holds no weights: expected params_ema, params or named tensors, '
            f'found {_some(map(str, contents)) if contents else "nothing"}'
        )
    return Checkpoint(
        path,
        {key: _without_module(state) for key, state in states.items()},
        network if isinstance(network, dict) else None,
        source if isinstance(source, dict) else None,
    )


def state_dict(path: str | Path, param_key: str | None = None) -> StateDict:
    """Read a state dict of a file, see `Checkpoint.state_dict`.

    Raises:
        UserError: As `read_checkpoint` and `Checkpoint.state_dict`.
    """
    return read_checkpoint(path).state_dict(param_key)


def load_weights(
    net: nn.Module, state: StateDict, source: str | Path, assign: bool = False, skipped: Iterable[str] = ()
) -> None:
    """Load a state dict into a network, whose names and shapes must match exactly.

    Args:
        net (nn.Module): The network. It may have a method ``own_state_dict(state)`` that converts published names
            to its own.
        state (dict[str, Tensor]): The weights.
        source (str | Path): Where the weights come from, for the error message.
        assign (bool): Use the tensors themselves as the network's, which may be on the meta device. Default: False.
        skipped (Iterable[str]): Modules that keep the tensors they have; those of the state dict are not looked at.

    Raises:
        UserError: Tensors are missing, unexpected, of another shape, complex, or sparse. The message names them.
    """
    own_state_dict = getattr(net, 'own_state_dict', None)
    if own_state_dict is not None:
        state = own_state_dict(state)
    expected = net.state_dict()
    of_skipped = tuple(f'{name}.' for name in skipped)
    if of_skipped:
        state = {name: tensor for name, tensor in state.items() if not name.startswith(of_skipped)}
        state |= {name: tensor for name, tensor in expected.items() if name.startswith(of_skipped)}
    differences = {
        'missing': [name for name in expected if name not in state],
        'unexpected': [name for name in state if name not in expected],
        'of another shape': [
            f'{name} ({_shape(state[name])}, the network has {_shape(expected[name])})'
            for name in expected
            if name in state and state[name].shape != expected[name].shape
        ],
        'not dense real numbers': [name for name in expected if name in state and not _is_dense_and_real(state[name])],
    }
    if any(differences.values()):
        found = '; '.join(f'{kind}: {_some(names)}' for kind, names in differences.items() if names)
        raise UserError(f'{source} does not fit {type(net).__name__}: {found}')
    net.load_state_dict(state, assign=assign)


def write_checkpoint(path: str | Path, contents: Mapping[str, Any]) -> None:
    """Write `contents` with torch.save. Afterwards the file is either whole or as it was before.

    Args:
        path (str | Path): The file to write or to replace. Its folder must exist.
        contents (dict): Tensors, numbers, strings, and lists and dicts of them.

    Raises:
        OSError, RuntimeError: The file cannot be written, for example because the disk is full.
    """
    with replacing(path) as partial, open(partial, 'wb') as file:
        torch.save(contents, file)


def origin(
    iteration: int, option_file: str | None, experiment: str | None = None, stage: int | None = None
) -> dict[str, Any]:
    """Describe where a checkpoint comes from.

    Args:
        iteration (int): Iterations that were made.
        option_file (str | None): Of the run.
        experiment (str | None): Name of the run.
        stage (int | None): Stage of the paper, 1 to 4.

    Returns:
        dict: These, the version of the format, and those of this package and of torch.
    """
    return {
        'format': FORMAT,
        'package': __version__,
        'torch': str(torch.__version__),  # a str of a class of torch's own, which is not a plain value
        'iter': iteration,
        'option_file': option_file,
        'experiment': experiment,
        'stage': stage,
    }


def read_torch_file(path: str | Path, mmap: bool = False) -> dict[str, Any]:
    """Read the dict in a file of torch.save onto the CPU, without executing anything it contains.

    Files of this package, which have a key ``checkpoint``, are validated against their checksums, which torch ignores.

    Args:
        path (str | Path): The file.
        mmap (bool): Leave the tensors in the file until their values are used. Default: False.

    Raises:
        Exception: Of nearly any type, if the file is damaged or foreign.
    """
    # Files of torch before 1.6 are not zip archives, and cannot be mapped.
    contents = torch.load(path, map_location='cpu', weights_only=True, mmap=mmap and zipfile.is_zipfile(path))
    if not isinstance(contents, dict):
        raise TypeError(f'expected a dict, got a {type(contents).__name__}')
    if 'checkpoint' in contents:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
        if damaged:
            raise zipfile.BadZipFile(f'the checksum of {damaged} does not hold')
    return contents


def checksum(path: str | Path) -> int:
    """Compute the CRC-32 of a file."""
    value = 0
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            value = zlib.crc32(block, value)
    return value


def _read_safetensors(path: Path) -> tuple[dict[str, Any], Any, Any]:
    from safetensors import safe_open  # only where it is needed

    with safe_open(path, framework='pt', device='cpu') as file:
        contents = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not iterable itself
        metadata = file.metadata() or {}
    network, source = (json.loads(metadata.get(key, 'null')) for key in ('network', 'checkpoint'))
    return contents, network, source


def _is_state_dict(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in value.items())
    )


def _without_module(state: StateDict) -> StateDict:
    return {name.removeprefix('module.'): tensor for name, tensor in state.items()}


def _is_dense_and_real(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and not (tensor.is_complex() or tensor.is_quantized)


def _shape(tensor: torch.Tensor) -> str:
    return '×'.join(map(str, tensor.shape)) or 'a single number'


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - NAMES_SHOWN
    return ', '.join(names[:NAMES_SHOWN]) + (f' and {more} more' if more > 0 else '')
