"""Encoder and decoder of the TS-VQGAN: convolutions in each frame, Swin attention across frames."""
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from torch.utils.checkpoint import checkpoint

from .residual import Downsample, ResidualBlock, Upsample, group_norm
from .swin3d import Swin3DLayer

__all__ = ['Decoder', 'Encoder']


class Encoder(nn.Module):
    """Frames to latents, with the features of each level on the way.

    Args:
        levels (dict[int, int]): Channels of each level by the level's size, finest first,
            e.g. {512: 64, 256: 128, 128: 256, 64: 256, 32: 512}.
        swin_levels (tuple[int]): Sizes of the levels with Swin layers.
        out_channels (int): Channels of the latents.
        swin (dict): Arguments of :class:`Swin3DLayer` but the channels.
        blocks_per_level (int): Residual blocks a level. Default: 1.
    """

    def __init__(self, levels, swin_levels, out_channels, swin, blocks_per_level=1):
        super().__init__()
        self.activation_checkpointing = False
        self.sizes = tuple(levels)
        channels = tuple(levels.values())
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.levels = nn.ModuleList([
            Level(
                before, after, blocks_per_level, swin if size in swin_levels else None,
                Downsample(after) if size != self.sizes[-1] else nn.Identity())
            for size, before, after in zip(self.sizes, channels[:1] + channels[:-1], channels)
        ])
        self.middle = Middle(channels[-1], swin)
        self.norm_out = group_norm(channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], out_channels, 3, padding=1)

    def forward(self, frames):
        """(B * T, 3, H, W) -> (B * T, out_channels, h, w) and {size of level: feature}."""
        x = self.conv_in(frames)
        features = {}
        for size, level in zip(self.sizes, self.levels):
            x = features[size] = run(level, x, self.activation_checkpointing)
            x = level.resample(x)
        x = run(self.middle, x, self.activation_checkpointing)
        return self.conv_out(F.silu(self.norm_out(x))), features


class Decoder(nn.Module):
    """Latents to frames; what a caller passes as ``fuse`` may change the features of each level.

    Args:
        levels, swin_levels, swin: As of :class:`Encoder`.
        in_channels (int): Channels of the latents.
        blocks_per_level (int): Residual blocks a level. Default: 2.
    """

    def __init__(self, levels, swin_levels, in_channels, swin, blocks_per_level=2):
        super().__init__()
        self.activation_checkpointing = False
        self.sizes = tuple(levels)
        channels = tuple(levels.values())
        self.conv_in = nn.Conv2d(in_channels, channels[-1], 3, padding=1)
        self.middle = Middle(channels[-1], swin)
        # Indexed as in the encoder, so that level 0 is the finest in both.
        self.levels = nn.ModuleList([
            Level(
                before, after, blocks_per_level, swin if size in swin_levels else None,
                Upsample(after) if size != self.sizes[0] else nn.Identity())
            for size, before, after in zip(self.sizes, channels[1:] + channels[-1:], channels)
        ])
        self.norm_out = group_norm(channels[0])
        self.conv_out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, latents, fuse=None):
        """Decode latents.

        Args:
            latents (Tensor): (B * T, in_channels, h, w).
            fuse (callable | None): Called as fuse(size of level, feature) after each level,
                before it is upsampled; returns the feature to go on with.

        Returns:
            Tensor: Frames, (B * T, 3, H, W).
        """
        x = run(self.middle, self.conv_in(latents), self.activation_checkpointing)
        for size, level in zip(reversed(self.sizes), reversed(self.levels)):
            x = run(level, x, self.activation_checkpointing)
            if fuse is not None:
                x = fuse(size, x)
            x = level.resample(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Level(nn.Module):
    """Residual blocks of one size, each followed by a Swin layer where ``swin`` is given.

    ``resample`` leads to the next level and is called by the owner, who needs the features
    before it.
    """

    def __init__(self, in_channels, channels, num_blocks, swin, resample):
        super().__init__()
        self.blocks = nn.ModuleList([
            ResidualBlock(in_channels if i == 0 else channels, channels) for i in range(num_blocks)
        ])
        self.swin = nn.ModuleList([Swin3DLayer(channels, **swin) for _ in range(num_blocks)] if swin else [])
        self.resample = resample

    def forward(self, x):
        for i, block in enumerate(self.blocks):
            x = block(x)
            if self.swin:
                x = across_frames(self.swin[i], x)
        return x


class Middle(nn.Module):
    """Residual block, Swin layer, residual block at the size of the latents."""

    def __init__(self, channels, swin):
        super().__init__()
        self.block1 = ResidualBlock(channels, channels)
        self.swin = Swin3DLayer(channels, **swin)
        self.block2 = ResidualBlock(channels, channels)

    def forward(self, x):
        return self.block2(across_frames(self.swin, self.block1(x)))


def across_frames(layer, x):
    """Apply a layer that works on clips, (B, T, C, H, W), to folded frames, (B * T, C, H, W)."""
    frames = layer.blocks[0].attn.num_frames
    return layer(rearrange(x, '(b t) c h w -> b t c h w', t=frames)).flatten(0, 1)


def run(module, x, activation_checkpointing):
    """Call ``module``; with checkpointing, its activations are computed again in the backward pass."""
    if activation_checkpointing and x.requires_grad and torch.is_grad_enabled():
        return checkpoint(module, x, use_reentrant=False)
    return module(x)
