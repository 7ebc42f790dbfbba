"""Encoder and decoder of the TS-VQGAN: convolutions in each frame, Swin attention across frames."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from .checkpointing import Checkpointed
from .frames import across_frames, per_frame
from .residual import Downsample, ResidualBlock, Upsample, group_norm
from .swin3d import Swin3DLayer

__all__ = ['Decoder', 'Encoder', 'Level', 'Middle', 'SwinLevel']


class Encoder(Checkpointed):
    """Encode frames to latents, with the features of each level on the way.

    Args:
        levels (Mapping[int, int]): Channels of each level by the level's size, finest first,
            e.g. {512: 64, 256: 128, 128: 256, 64: 256, 32: 512}.
        swin_levels (Collection[int]): Sizes of the levels with Swin layers.
        out_channels (int): Channels of the latents.
        swin (Mapping): Arguments of :class:`Swin3DLayer` but the channels.
        blocks_per_level (int): Residual blocks a level. Default: 1.
        middle_swin (bool): Whether the middle has a Swin layer. Default: True.
    """

    def __init__(
        self,
        levels: Mapping[int, int],
        swin_levels: Collection[int],
        out_channels: int,
        swin: Mapping[str, Any],
        blocks_per_level: int = 1,
        middle_swin: bool = True,
    ) -> None:
        super().__init__()
        self.sizes = tuple(levels)
        channels = tuple(levels.values())
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.levels = module_list(
            make_level(
                before,
                after,
                blocks_per_level,
                swin if size in swin_levels else None,
                Downsample(after) if size != self.sizes[-1] else nn.Identity(),
            )
            for size, before, after in zip(self.sizes, channels[:1] + channels[:-1], channels)
        )
        self.middle = Middle(channels[-1], swin if middle_swin else None)
        self.norm_out = group_norm(channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], out_channels, 3, padding=1)

    def forward(self, frames: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Encode folded clips.

        Args:
            frames (Tensor): (B * T, 3, H, W).

        Returns:
            tuple: Latents (B * T, out_channels, h, w), and the features of each level before it is downsampled,
            {size of level: (B * T, C, H', W')}.
        """
        x = per_frame(self.stem, frames)
        features = {}
        for size, level in zip(self.sizes, self.levels):
            x = features[size] = level(x)
            if size != self.sizes[-1]:
                x = self.run_per_frame([level.resample], x)
        return self.tail(self.middle(x)), features

    def stem(self, frames: Tensor) -> Tensor:
        """Convolve frames, in the type of the weights."""
        return self.conv_in(frames.to(self.conv_in.weight.dtype))

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the middle."""
        return self.conv_out(F.silu(self.norm_out(x)))


class Decoder(Checkpointed):
    """Decode latents to frames.

    Args:
        levels, swin_levels, swin, middle_swin: As of :class:`Encoder`.
        in_channels (int): Channels of the latents.
        blocks_per_level (int): Residual blocks a level. Default: 2.
    """

    def __init__(
        self,
        levels: Mapping[int, int],
        swin_levels: Collection[int],
        in_channels: int,
        swin: Mapping[str, Any],
        blocks_per_level: int = 2,
        middle_swin: bool = True,
    ) -> None:
        super().__init__()
        self.sizes = tuple(levels)
        channels = tuple(levels.values())
        self.num_frames: int = swin['num_frames']
        self.conv_in = nn.Conv2d(in_channels, channels[-1], 3, padding=1)
        self.middle = Middle(channels[-1], swin if middle_swin else None)
        # Indexed as in the encoder, so that level 0 is the finest in both.
        self.levels = module_list(
            make_level(
                before,
                after,
                blocks_per_level,
                swin if size in swin_levels else None,
                Upsample(after) if size != self.sizes[0] else nn.Identity(),
            )
            for size, before, after in zip(self.sizes, channels[1:] + channels[-1:], channels)
        )
        self.norm_out = group_norm(channels[0])
        self.conv_out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, latents: Tensor, fuse: Mapping[int, Callable[[Tensor], Tensor]] | None = None) -> Tensor:
        """Decode folded clips.

        Args:
            latents (Tensor): (B * T, in_channels, h, w).
            fuse (Mapping[int, Callable] | None): By size of level, what corrects the features of that level,
                (B * T, C, H', W'), before they are upsampled. Default: nothing.

        Returns:
            Tensor: Frames, (B * T, 3, H, W).
        """
        fuse = fuse or {}
        x = self.middle(self.conv_in(latents))
        for size, level in zip(reversed(self.sizes), reversed(self.levels)):
            x = level(x)
            if size in fuse:
                x = self.run(fuse[size], x)
            if size != self.sizes[0]:
                x = self.run_per_frame([level.resample], x)
        return self.run_per_frame([self.tail], x)

    def tail(self, x: Tensor) -> Tensor:
        """Normalise, activate and convolve the output of the finest level."""
        return self.conv_out(F.silu(self.norm_out(x)))


class Level(Checkpointed):
    """Residual blocks of one size: per-frame layers.

    Args:
        in_channels (int): Channels of the input.
        channels (int): Channels of the output.
        num_blocks (int): Residual blocks.
        resample (nn.Module): What leads to the next level. The owner calls it, for it needs the features before.
    """

    def __init__(self, in_channels: int, channels: int, num_blocks: int, resample: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(in_channels if i == 0 else channels, channels) for i in range(num_blocks)
        )
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, channels, H, W)."""
        return self.run_per_frame(self.blocks, x)


class SwinLevel(Level):
    """Residual blocks of one size, each followed by a Swin layer, in which the frames of a clip see each other.

    Args:
        in_channels, channels, num_blocks, resample: As of :class:`Level`.
        swin (Mapping): Arguments of :class:`Swin3DLayer` but the channels.
    """

    def __init__(
        self, in_channels: int, channels: int, num_blocks: int, resample: nn.Module, swin: Mapping[str, Any]
    ) -> None:
        super().__init__(in_channels, channels, num_blocks, resample)
        self.swin = nn.ModuleList(Swin3DLayer(channels, **swin) for _ in range(num_blocks))

    def forward(self, x: Tensor) -> Tensor:
        """(B * T, in_channels, H, W) -> (B * T, channels, H, W)."""
        for layer in self.layers():
            x = self.run(layer, x)
        return x

    def layers(self) -> list[Callable[[Tensor], Tensor]]:
        """List the layers in a row, each from folded frames to folded frames."""
        pairs = zip(self.blocks, self.swin)
        return [layer for block, swin in pairs for layer in (block, partial(across_frames, cast(Swin3DLayer, swin)))]


class Middle(Checkpointed):
    """Residual block, Swin layer if there are arguments for one, residual block at the size of the latents."""

    def __init__(self, channels: int, swin: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.block1 = ResidualBlock(channels, channels)
        self.swin = None if swin is None else Swin3DLayer(channels, **swin)
        self.block2 = ResidualBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B * T, C, h, w) -> (B * T, C, h, w)."""
        if self.swin is None:
            return self.run_per_frame([self.block1, self.block2], x)
        x = self.run(self.block1, x)
        x = self.run(across_frames, self.swin, x)
        return self.run(self.block2, x)


def make_level(
    in_channels: int, channels: int, num_blocks: int, swin: Mapping[str, Any] | None, resample: nn.Module
) -> Level:
    """Build a level with Swin layers of these arguments, or without where there are none."""
    if swin is None:
        return Level(in_channels, channels, num_blocks, resample)
    return SwinLevel(in_channels, channels, num_blocks, resample, swin)


def module_list(levels: Iterable[Level]) -> Sequence[Level]:
    """Register levels in a ModuleList, typed by what is in it."""
    return cast(Sequence[Level], nn.ModuleList(levels))
