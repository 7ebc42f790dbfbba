"""Frozen image classifiers whose features perceptual losses compare.

No weights are downloaded: they come from a file named in the options or from the torch hub cache.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import UserError
from ..files import expand_home
from .shapes import check_same_shape, fold_frames

__all__ = ['FrozenBackboneLoss', 'load_backbone']


class FrozenBackboneLoss(nn.Module):
    """Base of losses that compare frames by the features of a frozen network.

    A subclass builds its network, calls ``freeze`` and defines ``distance``.

    Args:
        min_size (int): Shortest side of a frame, in pixels, that the network can take.
        loss_weight (float): Factor of the loss.
    """

    def __init__(self, min_size: int, loss_weight: float) -> None:
        super().__init__()
        self.min_size = min_size
        self.loss_weight = loss_weight

    def distance(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compute the distance, a scalar, of frames (N, 3, H, W) in [0, 1]."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Freeze the network for good."""
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> 'FrozenBackboneLoss':
        """Stay in evaluation mode, the only one of a frozen network."""
        return super().train(False)

    def forward(self, pred: Tensor, target: Tensor) -> Tensor:
        """Compare RGB frames (N, 3, H, W) or (B, T, 3, H, W) in [0, 1].

        Args:
            pred (Tensor): Restored frames.
            target (Tensor): Real frames, of the same shape.

        Returns:
            Tensor: Scalar.

        Raises:
            ValueError: When shapes differ or frames are smaller than ``min_size``.
        """
        check_same_shape(pred, target)
        pred, target = fold_frames(pred), fold_frames(target.detach())
        height, width = pred.shape[-2:]
        if min(height, width) < self.min_size:
            raise ValueError(
                f'{type(self).__name__} needs frames of {self.min_size}×{self.min_size} pixels '
                f'or more, got {height}×{width}'
            )
        return self.loss_weight * self.distance(pred, target)


def load_backbone(features: nn.Module, weights: str | Path | None, default_filename: str) -> None:
    """Load the layers of a torchvision classifier from a file.

    The file is a ``.safetensors`` or a torch file with torchvision's names, ``features.0.weight``,
    or without the prefix, ``0.weight``. Tensors that ``features`` does not have, such as the
    classifier's, are ignored.

    Args:
        features (nn.Module): The layers, numbered as in torchvision; filled in place.
        weights (str | Path | None): The file; None takes it from the torch hub cache.
        default_filename (str): Its name there, such as ``vgg19-dcbb9e9d.pth``.

    Raises:
        UserError: The file is missing, cannot be read, or lacks tensors of the right shape.
    """
    path = _find_weights(weights, default_filename)
    stored = {name.removeprefix('features.'): value for name, value in _read_tensors(path).items()}
    expected = features.state_dict()
    faults = [f'no features.{name}' for name in expected if name not in stored]
    faults += [
        f'features.{name} is {tuple(stored[name].shape)} instead of {tuple(expected[name].shape)}'
        for name in expected
        if name in stored and stored[name].shape != expected[name].shape
    ]
    if faults:
        raise UserError(f"{path} does not fit this backbone: {_some(faults)}; torchvision's {default_filename} would")
    features.load_state_dict({name: stored[name] for name in expected})


def _find_weights(weights: str | Path | None, default_filename: str) -> Path:
    cached = Path(torch.hub.get_dir(), 'checkpoints', default_filename)
    path = cached if weights is None else expand_home(weights)
    if not path.is_file():
        raise UserError(
            f"backbone weights not found at {path}: set `weights` to a copy of torchvision's "
            f'{default_filename}, or leave `weights` out and put it at {cached}'
        )
    return path


def _read_tensors(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        tensors = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        reason = str(error).partition('\n')[0]
        raise UserError(f'{path} cannot be read: {reason}; a .safetensors or torch file is needed') from error
    if not isinstance(tensors, dict) or not all(torch.is_tensor(value) for value in tensors.values()):
        raise UserError(f'{path} holds no tensors by name; a state dict of torchvision is needed')
    return tensors


def _some(faults: Sequence[str], limit: int = 4) -> str:
    more = f', and {len(faults) - limit} more' if len(faults) > limit else ''
    return ', '.join(faults[:limit]) + more
