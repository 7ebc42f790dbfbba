"""Weights on disk: reading what other programs and this one wrote, fitting it to a network, writing.

Read are BasicSR's ``.pth`` files (``params_ema``, ``params``), bare state dicts, and
``.safetensors``.  Checkpoints of this package also say which network they belong to: the key
``network`` holds ``dict(type='PGTFormer', **constructor_arguments)``; in ``.safetensors`` the
same as JSON in the metadata.  The key ``checkpoint`` holds what `origin` tells.
"""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch

from .errors import UserError
from .files import replacing
from .version import __version__

__all__ = [
    'FORMAT',
    'Checkpoint',
    'checksum',
    'load_weights',
    'network_options',
    'origin',
    'read_checkpoint',
    'read_torch_file',
    'state_dict',
    'write_checkpoint',
]

# Version of the layout of checkpoints and training states; goes up when older readers would misread newer files.
FORMAT = 1
PARAM_KEYS = ('params_ema', 'params')
NAMES_SHOWN = 5


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    Attributes:
        path (Path): the file.
        states (dict[str, dict[str, Tensor]]): state dicts by their key; a bare one has the key ''.
        network (dict | None): options of the network the weights belong to, if the file has them.
        origin (dict | None): as `origin` returned it, if the file has it.
    """

    path: Path
    states: dict
    network: dict | None = None
    origin: dict | None = None

    def state_dict(self, param_key=None):
        """Return the state dict called `param_key`, or else params_ema, params or the bare one.

        Raises:
            UserError: the file has no state dict of that name.
        """
        if param_key is None:
            param_key = next(key for key in (*PARAM_KEYS, '') if key in self.states)
        if param_key not in self.states:
            raise UserError(
                f'{self.path} has no weights called {param_key}, but '
                f'{" and ".join(key or "a bare state dict" for key in self.states)}'
            )
        return self.states[param_key]


def read_checkpoint(path):
    """Read a file of weights onto the CPU, without executing anything it contains.

    Args:
        path (str | Path): a ``.pth`` or ``.pt`` file, or a ``.safetensors`` file.

    Returns:
        Checkpoint: with a leading ``module.`` taken off the tensors' names.

    Raises:
        UserError: the file is missing, torn, or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'weights not found: {path} (looked for {path.absolute()})')
    read = _read_safetensors if path.suffix == '.safetensors' else _read_torch
    try:
        contents, network, source = read(path)
    except Exception as error:  # a torn or foreign pickle can raise nearly anything
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
    return Checkpoint(path, {key: _without_module(state) for key, state in states.items()}, network, source)


def state_dict(path, param_key=None):
    """Read the state dict `param_key` (default: params_ema, else params, else the bare one) of a file.

    Raises:
        UserError: as `read_checkpoint` and `Checkpoint.state_dict`.
    """
    return read_checkpoint(path).state_dict(param_key)


def network_options(path):
    """Read the options of the network that a file's weights belong to; None if it does not have them.

    Raises:
        UserError: as `read_checkpoint`.
    """
    return read_checkpoint(path).network


def load_weights(net, state, source, assign=False):
    """Load a state dict into a network, tensor by tensor and without leftovers.

    Args:
        net (nn.Module): may have a method ``own_state_dict(state)`` that turns published names
            into its own.
        state (dict[str, Tensor]): the weights.
        source (str | Path): where they come from, for the message.
        assign (bool): make the tensors themselves the network's, which may be on the meta device. Default: False.

    Raises:
        UserError: tensors are missing, unexpected, or of another shape; says which.
    """
    if hasattr(net, 'own_state_dict'):
        state = net.own_state_dict(state)
    wanted = net.state_dict()
    differences = {
        'missing': [name for name in wanted if name not in state],
        'unexpected': [name for name in state if name not in wanted],
        'of another shape': [
            f'{name} ({_shape(state[name])}, the network has {_shape(wanted[name])})'
            for name in wanted
            if name in state and state[name].shape != wanted[name].shape
        ],
    }
    if any(differences.values()):
        found = '; '.join(f'{kind}: {_some(names)}' for kind, names in differences.items() if names)
        raise UserError(f'{source} does not fit {type(net).__name__}: {found}')
    net.load_state_dict(state, assign=assign)


def write_checkpoint(path, contents):
    """Write `contents` with torch.save; afterwards the file is either whole or as it was before.

    Args:
        path (str | Path): the file to write or to replace; its folder must exist.
        contents (dict): tensors, numbers, strings, and lists and dicts of them.

    Raises:
        OSError, RuntimeError: the file cannot be written, for one because the disk is full.
    """
    with replacing(path) as partial, open(partial, 'wb') as file:
        torch.save(contents, file)


def origin(iteration, option_file):
    """What a checkpoint says of itself: format and package version, iteration, option file it came from."""
    return {'format': FORMAT, 'package': __version__, 'iter': iteration, 'option_file': option_file}


def read_torch_file(path):
    """Read the dict that a file of torch.save holds onto the CPU, without executing anything it contains.

    Files of this package, which have a key ``checkpoint``, are held against their checksums, which torch does not
    look at.

    Raises:
        Exception: of nearly any type, if the file is torn, damaged or foreign.
    """
    contents = torch.load(path, map_location='cpu', weights_only=True)
    if not isinstance(contents, dict):
        raise TypeError(f'expected a dict, got a {type(contents).__name__}')
    if 'checkpoint' in contents:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
        if damaged:
            raise zipfile.BadZipFile(f'the checksum of {damaged} does not hold')
    return contents


def checksum(path):
    """CRC-32 of a file."""
    value = 0
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            value = zlib.crc32(block, value)
    return value


def _read_torch(path):
    contents = read_torch_file(path)
    network, source = contents.get('network'), contents.get('checkpoint')
    return contents, network if isinstance(network, dict) else None, source if isinstance(source, dict) else None


def _read_safetensors(path):
    from safetensors import safe_open  # only where it is needed

    with safe_open(path, framework='pt', device='cpu') as file:
        contents = {name: file.get_tensor(name) for name in file.keys()}
        network = (file.metadata() or {}).get('network')
    return contents, json.loads(network) if network else None, None


def _is_state_dict(value):
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in value.items())
    )


def _without_module(state):
    return {name.removeprefix('module.'): tensor for name, tensor in state.items()}


def _shape(tensor):
    return '×'.join(map(str, tensor.shape)) or 'a single number'


def _some(names):
    names = list(names)
    more = len(names) - NAMES_SHOWN
    return ', '.join(names[:NAMES_SHOWN]) + (f' and {more} more' if more > 0 else '')
