"""Check of the shapes that blocks are called with: one line instead of an error from the depths of a layer."""

from torch import Tensor

__all__ = ['check_shape']


def check_shape(tensor: Tensor, name: str, *sides: int | str) -> None:
    """Raise a ValueError unless a tensor has this shape.

    Args:
        tensor (Tensor): The tensor.
        name (str): Which argument of which block it is, for the message.
        *sides (int | str): The size of each dimension, or the letter of one that may have any.
    """
    fixed = [(size, side) for size, side in zip(tensor.shape, sides) if not isinstance(side, str)]
    if tensor.dim() != len(sides) or any(size != side for size, side in fixed):
        raise ValueError(f'{name} must have the shape ({", ".join(map(str, sides))}), not {tuple(tensor.shape)}')
