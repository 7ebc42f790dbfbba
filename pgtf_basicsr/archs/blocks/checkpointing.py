"""Activation checkpointing: less memory in training for more time."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .frames import per_frame

__all__ = ['Checkpointed']


class Checkpointed(nn.Module):
    """Base of modules that may compute the activations of their layers again in the backward pass.

    Attributes:
        activation_checkpointing (bool): Keep the inputs of layers alone until the backward pass. Default: False.
    """

    activation_checkpointing = False

    def run(self, layer: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """Call a layer; with checkpointing its activations are not kept."""
        if self.activation_checkpointing and torch.is_grad_enabled():
            return checkpoint(layer, *inputs, use_reentrant=False)
        return layer(*inputs)

    def run_per_frame(self, layers: Iterable[Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
        """Call per-frame layers in a row; with checkpointing only one frame is computed again at a time."""
        layers = list(layers)

        def run_all(frames: Tensor) -> Tensor:
            for layer in layers:
                frames = self.run(layer, frames)
            return frames

        return per_frame(run_all, x, apart=self.activation_checkpointing)
