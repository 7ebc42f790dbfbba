"""What files of weights tell about the network that they belong to."""

from pathlib import Path

from ..checkpoints import StateDict
from ..errors import require

__all__ = ['width_of']


def width_of(state: StateDict, layer: str, weights: str | Path, title: str) -> int:
    """Return the output channels of a convolution, the first one of a network, say.

    Args:
        state (StateDict): Tensors of the file.
        layer (str): Name of the convolution's weight.
        weights (str | Path): The file, for messages.
        title (str): What messages call the network.

    Raises:
        UserError: There is no such convolution.
    """
    shape = tuple(state[layer].shape) if layer in state else ()
    require(
        len(shape) == 4 and all(shape), f'{weights} holds no weights of {title}: it has no convolution of name {layer}'
    )
    return shape[0]
