"""Keeps steps whose losses or gradients are not finite from touching anything that lasts."""
import torch

__all__ = ['StepGuard', 'all_finite']


class StepGuard:
    """Remembers what forward passes change by themselves, and counts the steps that had to be skipped.

    Codebooks and statistics of BatchNorm learn in the forward pass, before anybody can know whether the losses
    will be finite: their buffers are copied before and put back after an iteration that went wrong.

    Args:
        tolerated (int): Steps in a row that may be skipped.
    """

    def __init__(self, tolerated):
        self.tolerated = tolerated
        self.skipped = 0
        self.broken_iteration = None
        self._buffers = self._copies = None

    def remember(self, nets):
        """Copy the buffers of what is in training mode."""
        if self._buffers is None:
            self._buffers = [buffer for net in nets for module in net.modules() if module.training
                             for buffer in module.buffers(recurse=False)]
            self._copies = [buffer.clone() for buffer in self._buffers]
        elif self._buffers:
            torch._foreach_copy_(self._copies, self._buffers)

    def put_back(self):
        """Undo what has happened to the buffers since they were remembered."""
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._copies)

    @property
    def exhausted(self):
        """Whether more steps in a row have been skipped than are tolerated."""
        return self.skipped > self.tolerated


@torch.no_grad()
def all_finite(losses, parameters):
    """Whether losses and gradients are finite: a bool tensor on their device, computed without waiting for it.

    Of gradients those of biases and scales are looked at. They sum up what comes back to their layer, so whatever goes
    wrong on the way shows in them, at a hundredth of the bytes.

    Args:
        losses (Iterable[Tensor]): Scalars.
        parameters (Iterable[Parameter]): Of the networks that learn; those without gradients are passed over.
    """
    values = [loss.detach().float().view(1) for loss in losses]
    values += [parameter.grad.float() for parameter in parameters
               if parameter.grad is not None and parameter.dim() == 1]
    return torch.cat(values).isfinite().all()
