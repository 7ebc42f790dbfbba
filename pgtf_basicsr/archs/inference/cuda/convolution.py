"""Convolutional blocks on a GPU; biases go into the kernels that follow the convolutions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ... import blocks
from ...counterpart import Counterpart
from ...kernels import add_shortcut, normalised_silu
from ...memory_format import channels_last

__all__ = ['Decoder', 'Encoder', 'ResidualBlock', 'Upsample']


class ResidualBlock(Counterpart, blocks.ResidualBlock):
    """As :class:`~pgtf_basicsr.archs.blocks.ResidualBlock`; the input may come in parts of its channels."""

    def prepare(self) -> None:
        """Let one bias stand for those of the second convolution and of the shortcut."""
        if isinstance(self.shortcut, nn.Conv2d) and self.conv2.bias is not None and self.shortcut.bias is not None:
            self.conv2.bias.data = self.conv2.bias.data + self.shortcut.bias.data
            self.shortcut.bias = None

    def forward(self, *parts: Tensor) -> Tensor:
        """Parts (N, C_i, H, W) -> (N, out_channels, H, W)."""
        x = channels_last(parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))
        hidden = convolve(normalised_silu(x, self.norm1), self.conv1)
        hidden = convolve(normalised_silu(hidden, self.norm2, self.conv1.bias), self.conv2)
        return add_shortcut(hidden, self.conv2.get_parameter('bias'), self.shortcut(x))


class Encoder(Counterpart, blocks.Encoder):
    """As :class:`~pgtf_basicsr.archs.blocks.Encoder`."""

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the middle."""
        return self.conv_out(normalised_silu(x, self.norm_out))


class Decoder(Counterpart, blocks.Decoder):
    """As :class:`~pgtf_basicsr.archs.blocks.Decoder`."""

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the finest level."""
        return self.conv_out(normalised_silu(x, self.norm_out))


class Upsample(Counterpart, blocks.Upsample):
    """As :class:`~pgtf_basicsr.archs.blocks.Upsample`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2H, 2W)."""
        return self.conv(F.interpolate(channels_last(x), scale_factor=2.0, mode='nearest'))


def convolve(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """Convolve without the bias; (N, C, H, W) -> (N, C', H, W), channels-last."""
    return channels_last(F.conv2d(x, conv.weight, padding=conv.padding))
