"""The network that weights belong to: its options, and the network itself, built and loaded."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from .. import config
from ..checkpoints import Checkpoint
from ..config.registered_sections import Network, check_sections
from ..config.registries import look_up
from ..errors import UserError
from ..hub import CONFIG
from .discriminator_arch import VQGANDiscriminator
from .face_parsing_arch import FaceParsingNet
from .pretrained import arguments_beside, build_with_weights
from .ts_vqgan_arch import TSVQGAN

__all__ = ['add_network_option', 'find_network', 'load_network', 'type_of']

# They need nothing but their arguments. BasicSR's own networks may read other files while they are built.
NETWORKS = (TSVQGAN, FaceParsingNet, VQGANDiscriminator)


def add_network_option(parser: ArgumentParser) -> None:
    """Add the argument ``--opt`` of commands that take weights: the option file of `find_network`."""
    parser.add_argument(
        '-opt',
        '--opt',
        metavar='FILE',
        help='an option file whose network_g the weights belong to, '
        'where their file does not say it itself (default: the published network)',
    )


def find_network(checkpoint: Checkpoint, option_file: str | Path | None = None) -> tuple[Any, str]:
    """Find the options of the network that weights belong to, as a file has them: unchecked.

    Args:
        checkpoint (Checkpoint): The file of weights.
        option_file (str | Path, optional): Option file whose ``network_g`` is the network. Default: the network that
            the weights name; or a PGTFormer with the arguments that their folder states, see
            `pretrained.arguments_beside`; or else the published PGTFormer.

    Returns:
        tuple: Registered type and arguments; what messages call them.

    Raises:
        UserError: The option file, or that of the folder, cannot be read.
    """
    if option_file:
        return config.load(option_file).get('network_g'), f'network_g of {option_file}'
    if checkpoint.network:
        return checkpoint.network, f'the network that {checkpoint.path} names'
    beside = arguments_beside(checkpoint)
    if beside is not None:
        return {**beside, 'type': 'PGTFormer'}, f'the network of {checkpoint.path.with_name(CONFIG)}'
    return dict(type='PGTFormer'), 'the published network (--opt FILE names another)'


def type_of(network: Any) -> str | None:
    """Return the registered type that the options of a network name, or None."""
    kind = network.get('type') if isinstance(network, dict) else None
    return kind if isinstance(kind, str) else None


def load_network(checkpoint: Checkpoint, network: Any, name: str, param_key: str | None = None) -> nn.Module:
    """Build a network with the weights of a file.

    Args:
        checkpoint (Checkpoint): The file of weights.
        network (dict): Registered type and arguments, from `find_network`.
        name (str): What messages call them.
        param_key (str, optional): Key of the weights, see `Checkpoint.state_dict`.

    Returns:
        nn.Module: On the CPU, in fp32, in eval mode.

    Raises:
        UserError: The network is not one of this package or cannot be built, or the weights do not fit it.
    """
    kind = type_of(network)
    built = look_up(ARCH_REGISTRY, kind) if kind else None
    if not isinstance(built, type) or not issubclass(built, NETWORKS):
        raise UserError(
            f'{name} is {kind or "missing"}: its type must be PGTFormer, '
            f'{", ".join(known.__name__ for known in NETWORKS)} or derived from one of them'
        )
    check_sections(Network, {'network': network}, name)
    arguments = {key: value for key, value in network.items() if key != 'type'}
    return build_with_weights(built, arguments, checkpoint.state_dict(param_key), name, checkpoint.path)
