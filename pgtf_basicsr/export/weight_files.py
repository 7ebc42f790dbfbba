"""Files of weights: ``.safetensors`` and ``.pth``, under own or published names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ..archs import TSVQGAN
from ..archs.loading import load_network
from ..archs.published_names import published_state_dict
from ..checkpoints import Checkpoint, read_checkpoint
from ..errors import UserError, require
from .graph_files import json_metadata

__all__ = ['NAMES', 'check_weights', 'named_state', 'write_weights']

NAMES = ('own', 'published')
# The published code reads its weights under this key.
PUBLISHED_KEY = 'params_ema'


def named_state(
    net: nn.Module, checkpoint: Checkpoint, param_key: str | None, names: str
) -> tuple[str, dict[str, Tensor]]:
    """Take weights out of a checkpoint, in the number formats that they are stored in.

    Args:
        net (nn.Module): The network that they belong to.
        checkpoint (Checkpoint): A file of weights.
        param_key (str | None): Their key, see `Checkpoint.state_dict`.
        names (str): The names that they get, of `NAMES`.

    Returns:
        tuple: Key for a ``.pth`` file; {name: tensor}.

    Raises:
        UserError: There are no such weights, or no published names of such a network.
    """
    state = checkpoint.state_dict(param_key)
    key = next(key for key, of_key in checkpoint.states.items() if of_key is state) or 'params'
    if isinstance(net, TSVQGAN):
        state = net.own_state_dict(state)
    if names == 'published':
        require(isinstance(net, TSVQGAN), f'{type(net).__name__} has the published names already: leave --names out')
        key, state = PUBLISHED_KEY, published_state_dict(net, state)
    # Views of larger tensors would be written with all of these.
    return key, {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def write_weights(path: Path, key: str, state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write weights with what states their network and origin.

    Args:
        path (Path): A ``.safetensors`` or ``.pth`` file.
        key (str): Their key in ``.pth``.
        state (Mapping[str, Tensor]): The weights.
        metadata (Mapping): Plain values; keys as of `read_checkpoint`.

    Raises:
        OSError, SafetensorError, RuntimeError: The file cannot be written.
    """
    if path.suffix == '.safetensors':
        save_file(dict(state), path, {'format': 'pt', **json_metadata(metadata)})
        return
    with open(path, 'wb') as file:
        torch.save({key: dict(state), **metadata}, file)


def check_weights(net: nn.Module, path: Path, network: Mapping[str, Any]) -> None:
    """Read a file as any reader of this package does, and compare the weights with those of a network.

    Args:
        net (nn.Module): The network.
        path (Path): The file.
        network (Mapping): Options of the network.

    Raises:
        UserError: It does not load, or a tensor is another one.
    """
    found = load_network(read_checkpoint(path), network, 'the network').state_dict()
    for name, tensor in net.state_dict().items():
        if not torch.equal(_bits(found[name]), _bits(tensor)):
            largest = (found[name].double() - tensor.double()).abs().max().item()
            raise UserError(
                f'read again, {name} of shape {"×".join(map(str, tensor.shape))} differs by up to {largest:.2g}'
            )


def _bits(tensor: Tensor) -> Tensor:
    """Bytes of a tensor: unlike numbers, they are equal where they are not a number."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)
