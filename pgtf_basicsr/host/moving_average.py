"""How BasicSR averages a network's weights (EMA); `patches` says why."""

from collections.abc import Callable

import torch

__all__ = ['ema_with_buffers']


def ema_with_buffers(_: Callable) -> Callable:
    """Let ``BaseModel.model_ema`` take over buffers as they are."""

    @torch.no_grad()
    def model_ema(self, decay=0.999):
        net, ema = self.get_bare_model(self.net_g), self.get_bare_model(self.net_g_ema)
        for averaged, parameter in zip(ema.parameters(), net.parameters()):
            averaged.lerp_(parameter, 1 - decay)
        for averaged, buffer in zip(ema.buffers(), net.buffers()):
            averaged.copy_(buffer)

    return model_ema
