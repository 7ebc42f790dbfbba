"""Activation checkpointing: less memory in training for more time."""

import torch
from torch.utils.checkpoint import checkpoint

__all__ = ['run']


def run(activation_checkpointing, module, *inputs):
    """Call ``module``; with checkpointing, its activations are computed again in the backward pass.

    Args:
        activation_checkpointing (bool): Whether to keep nothing of it but the inputs.
        module (callable): A module, or a method of one.
        *inputs: Tensors and other arguments of it.
    """
    if activation_checkpointing and torch.is_grad_enabled():
        return checkpoint(module, *inputs, use_reentrant=False)
    return module(*inputs)
