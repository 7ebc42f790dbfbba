"""Convolutional blocks of the autoencoder; frames are folded into the batch: (N, C, H, W)."""

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['Downsample', 'ResidualBlock', 'Upsample', 'group_norm']

NORM_GROUPS = 32


def group_norm(channels: int) -> nn.GroupNorm:
    """Build the GroupNorm used throughout: 32 groups, eps 1e-6.

    Args:
        channels (int): A multiple of 32.

    Raises:
        ValueError: For other channels.
    """
    if channels % NORM_GROUPS:
        raise ValueError(f'{channels} channels cannot be normalised in {NORM_GROUPS} groups: take a multiple of 32')
    return nn.GroupNorm(NORM_GROUPS, channels, eps=1e-6)


class ResidualBlock(nn.Module):
    """GroupNorm, SiLU and a 3x3 convolution, twice, and a shortcut.

    The shortcut is a 1x1 convolution where the number of channels changes.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        dropout (float): Dropout before the second convolution. Default: 0.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm1 = group_norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = group_norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Identity() if in_channels == out_channels else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(self.dropout(F.silu(self.norm2(y))))
        return self.shortcut(x) + y


class Downsample(nn.Module):
    """Halve height and width: zero-pad right and bottom by one, convolve 3x3 with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / 2, W / 2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double height and width: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2H, 2W)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode='nearest'))
