"""Networks as folders and files: what ``from_pretrained`` and ``save_pretrained`` do.

A folder has the layout of huggingface_hub's PyTorchModelHubMixin, so that each reads what the other wrote:
``config.json`` holds the constructor's arguments, ``model.safetensors`` the weights. The published PGTFormer has such a
folder, with arguments and tensors under names of its own. Here the weights also name their
network in their metadata, see `checkpoints`, so that the file alone is a checkpoint like any other.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from basicsr.utils import get_root_logger
from safetensors.torch import save_file
from torch import Tensor, nn
from typing_extensions import Self

from ..checkpoints import Checkpoint, load_weights, read_checkpoint
from ..config.signatures import parameters_of
from ..config.value_types import as_in_yaml
from ..errors import UserError, in_one_line, require
from ..files import expand_home, make_folder, replacing
from ..hub import CONFIG, WEIGHTS, fetch_folder
from .published_arguments import own_arguments
from .published_names import are_published

__all__ = ['Pretrained', 'arguments_beside', 'build_with_weights']

Network = TypeVar('Network', bound=nn.Module)


class Pretrained(nn.Module):
    """Base of networks that are made from files and written to them, and know what they were built from."""

    _given: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments, which `save_pretrained` writes."""
        net = super().__new__(cls)
        net._given = {**{parameter.name: value for parameter, value in zip(parameters_of(cls)[0], args)}, **kwargs}
        return net

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments that the network was built with, defaults included, as JSON and YAML have them."""
        defaults = {parameter.name: parameter.default for parameter in parameters_of(type(self))[0]}
        return as_in_yaml({**defaults, **self._given})

    @classmethod
    def from_pretrained(
        cls,
        path_or_hub_id: str | os.PathLike[str],
        *,
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **arguments: Any,
    ) -> Self:
        """Build the network that a folder, a checkpoint or a model of the Hugging Face Hub holds.

        Files need no network connection. Only a model of the Hub is downloaded, unless it is in the cache.

        Args:
            path_or_hub_id (str | PathLike): A folder with ``config.json`` and ``model.safetensors``, of this package,
                of huggingface_hub's mixin, or with the published names, as that of the published PGTFormer; a ``.pth``
                or ``.safetensors`` file of this package, or one of published weights, which are those of the default
                arguments; or ``owner/name`` on the Hub, where nothing of that name is on the disk. The Hub needs
                huggingface_hub, the extra ``hub``.
            revision (str, optional): Branch, tag or commit on the Hub. Default: its main branch.
            cache_dir (str | PathLike, optional): Where the Hub's files are kept. Default: huggingface_hub's cache.
            token (str | bool, optional): For a private model on the Hub. Default: that of its login.
            force_download (bool): Download again what is in the cache. Default: False.
            local_files_only (bool): Take what is in the cache, and do not download. Default: False.
            **arguments: Arguments of the constructor, instead of those in the files.

        Returns:
            The network on the CPU, in fp32, in eval mode. Of a file with EMA weights they are taken.

        Raises:
            UserError: The files are missing, damaged, or another network's; a model cannot be fetched.
        """
        path = expand_home(path_or_hub_id)
        if not path.exists():
            path = fetch_folder(
                os.fspath(path_or_hub_id),
                [CONFIG, WEIGHTS],
                revision=revision,
                cache_dir=cache_dir,
                token=token,
                force_download=force_download,
                local_files_only=local_files_only,
            )
        folder = path if path.is_dir() else None
        checkpoint = read_checkpoint(folder / WEIGHTS if folder else path)
        saved = dict(checkpoint.network or {})
        kind = saved.pop('type', cls.__name__)
        require(kind == cls.__name__, f'{path} holds a {kind}, not a {cls.__name__}')
        beside = arguments_beside(checkpoint)
        saved = saved if beside is None else beside
        name = f'the {cls.__name__} of {path}'
        return build_with_weights(cls, {**saved, **arguments}, checkpoint.state_dict(), name, checkpoint.path)

    def save_pretrained(self, save_directory: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, which is made if it is missing.

        Args:
            save_directory (str | PathLike): The folder. Files of these names in it are replaced.

        Raises:
            UserError: The folder cannot be written, or the network could not be loaded from it: its layers are no
                longer those that it was built with, as after `inference.for_inference`.
        """
        arguments = self.arguments
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        with torch.device('meta'):
            rebuilt = type(self)(**arguments)
        load_weights(rebuilt, weights, 'the network to save', assign=True)
        network = json.dumps({'type': type(self).__name__, **arguments})
        folder = expand_home(save_directory)
        make_folder(folder)
        config = folder / CONFIG
        try:
            # Until the new one is there the weights' own metadata counts.
            config.unlink(missing_ok=True)
            with replacing(folder / WEIGHTS) as partial:
                save_file(weights, partial, {'format': 'pt', 'network': network})
            with replacing(config) as partial:
                partial.write_text(json.dumps(arguments, indent=2, sort_keys=True) + '\n', encoding='utf-8')
        except OSError as error:
            raise UserError(f'cannot write {folder}: {error.strerror or error}') from error


def build_with_weights(
    architecture: type[Network], arguments: Mapping[str, Any], state: Mapping[str, Tensor], name: str, source: Path
) -> Network:
    """Build a network from its arguments and a state dict.

    Args:
        architecture (type): Class of the network.
        arguments (Mapping[str, Any]): Its arguments.
        state (Mapping[str, Tensor]): The weights, which become the network's own tensors.
        name (str): What messages call the network.
        source (Path): Where the weights come from, for messages.

    Returns:
        nn.Module: On the CPU, in fp32, in eval mode.

    Raises:
        UserError: The network cannot be built, or the weights do not fit it.
    """
    try:
        # On the meta device no parameters are drawn, which the weights would replace at once.
        with torch.device('meta'):
            net = architecture(**arguments)
    except Exception as error:  # arguments come from a file: wrong ones raise nearly anything
        raise UserError(f'{name} cannot be built: {in_one_line(error)}') from error
    weights = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    load_weights(net, weights, f'{source}, loaded into {name},', assign=True)
    return net.eval()


def arguments_beside(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """Read the arguments of a network in the ``config.json`` beside its weights.

    Arguments of a published network are converted to this package's. Where that fails they are the defaults, which are
    those of the published network, and a line says so: its tensors decide whether they fit.

    Args:
        checkpoint (Checkpoint): The weights.

    Returns:
        dict[str, Any] | None: The arguments; None where there is no such file, or the weights are in one that is not
            called ``model.safetensors``.

    Raises:
        UserError: The file cannot be read.
    """
    path = checkpoint.path.with_name(CONFIG)
    if checkpoint.path.name != WEIGHTS or not path.is_file():
        return None
    config = _read_config(path)
    if not are_published(checkpoint.state_dict()):
        return config
    arguments = own_arguments(config)
    if arguments is None:
        get_root_logger().warning(
            f'{path} does not have the arguments of the published PGTFormer: those of its paper are taken'
        )
    return arguments or {}


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read as JSON: {in_one_line(error)}') from error
    require(isinstance(config, dict), f"{path} must hold the network's arguments, {{name: value}}")
    return config
