"""Keeps steps whose losses or gradients are not finite from touching anything that lasts.

The device that computes a step also decides whether it counts. The host, which has the next iterations to prepare, does
not wait for it: it learns an iteration later what there is to report.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

__all__ = ['PendingStep', 'StepGuard', 'all_finite', 'replace_where', 'step_unless']


class StepGuard:
    """Remembers what forward passes change by themselves, and counts the steps that had to be skipped.

    Codebooks and statistics of BatchNorm change in the forward pass, before anybody can know whether the losses
    will be finite: their buffers are copied before and put back after an iteration that went wrong.

    Args:
        tolerated (int): Steps in a row that may be skipped.
    """

    def __init__(self, tolerated: int) -> None:
        self.tolerated = tolerated
        self.skipped = 0
        self.broken_iteration: int | None = None
        self._buffers: list[torch.Tensor] | None = None
        self._copies: list[torch.Tensor] = []

    def remember(self, nets: Iterable[nn.Module]) -> None:
        """Copy the buffers of what is in training mode."""
        if self._buffers is None:
            self._buffers = [
                buffer
                for net in nets
                for module in net.modules()
                if module.training
                for buffer in module.buffers(recurse=False)
            ]
            self._copies = [buffer.clone() for buffer in self._buffers]
        elif self._buffers:
            torch._foreach_copy_(self._copies, self._buffers)

    def put_back(self, broken: torch.Tensor) -> None:
        """Undo what has happened to the buffers since they were remembered, where a bool scalar is true."""
        if self._buffers:
            replace_where(broken, self._buffers, self._copies)

    @property
    def exhausted(self) -> bool:
        """Whether more steps in a row have been skipped than are tolerated."""
        return self.skipped > self.tolerated


class PendingStep:
    """An iteration that the host has launched, and the device may still be working on.

    Attributes:
        iteration (int): The iteration.
        step (bool): Whether the optimizers made a step after it.
        losses (dict): Its losses, scalar tensors on the device.
        samples, drawn (list[str]): As of the model.

    Args:
        flags (Tensor): Some bools, uint8, that are copied to the host without waiting for them.
    """

    def __init__(
        self,
        flags: torch.Tensor,
        iteration: int,
        step: bool,
        losses: Mapping[str, torch.Tensor],
        samples: Sequence[str],
        drawn: Sequence[str],
    ) -> None:
        self.iteration, self.step, self.losses, self.samples, self.drawn = iteration, step, losses, samples, drawn
        self.flags = flags.to('cpu', non_blocking=True)
        self._copied = None
        if flags.is_cuda:
            self._copied = torch.cuda.Event()
            self._copied.record()

    def read(self) -> list[bool]:
        """The flags as a list of bools, once the device has come that far."""
        if self._copied is not None:
            self._copied.synchronize()
        return list(map(bool, self.flags.tolist()))


@torch.no_grad()
def all_finite(losses: Iterable[torch.Tensor], parameters: Iterable[nn.Parameter]) -> torch.Tensor:
    """Whether losses and gradients are finite: a bool tensor on their device, computed without waiting for it.

    Of gradients those of biases and scales are looked at. They sum up what comes back to their layer, so whatever goes
    wrong on the way shows in them, at a hundredth of the bytes.

    Args:
        losses (Iterable[Tensor]): Scalars.
        parameters (Iterable[Parameter]): Of the networks that are trained; those without gradients are skipped.
    """
    values = [loss.detach().float().view(1) for loss in losses]
    values += [
        parameter.grad.float() for parameter in parameters if parameter.grad is not None and parameter.dim() == 1
    ]
    return torch.cat(values).isfinite().all()


@torch.no_grad()
def replace_where(condition: torch.Tensor, targets: Iterable[torch.Tensor], sources: Iterable[torch.Tensor]) -> None:
    """Copy each source over its target where a bool scalar on their device is true, without waiting for it."""
    for target, source in zip(targets, sources):
        # Not by arithmetic: what has to go may not be finite, and may be integers.
        torch.where(condition, source, target, out=target)


def step_unless(broken: torch.Tensor, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
    """Let an optimizer, by way of a loss scaler that is enabled, make a step unless a bool scalar is true."""
    if scaler.is_enabled():
        # The scaler looks at all gradients anyway; it skips the step and lowers its scale if one is not finite.
        gradient = next(p.grad for group in optimizer.param_groups for p in group['params'] if p.grad is not None)
        gradient.masked_fill_(broken, math.nan)
        scaler.step(optimizer)
    elif isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)) and optimizer.defaults['fused']:
        # Loss scalers set it for fused optimizers: at 1 their kernels change nothing.
        setattr(optimizer, 'found_inf', broken.float())  # noqa: B010  an attribute that its class does not declare
        optimizer.step()
        delattr(optimizer, 'found_inf')
    elif not broken:
        # Others wait for the device here. SGD among them: a first step skipped by its kernel leaves momentum unset.
        optimizer.step()
