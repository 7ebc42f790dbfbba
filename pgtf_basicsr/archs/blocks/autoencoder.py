"""Encoder and decoder of the TS-VQGAN: convolutions in each frame, Swin attention across frames."""

from functools import partial
from itertools import chain

import torch
import torch.nn.functional as F
from torch import nn

from .checkpointing import run
from .frames import across_frames, join_frames, select, split_frames
from .residual import Downsample, ResidualBlock, Upsample, group_norm
from .swin3d import Swin3DLayer

__all__ = ['Decoder', 'Encoder']


class Encoder(nn.Module):
    """Frames to latents, with the features of each level on the way.

    The finest levels, up to the first one with Swin layers, see each frame by itself: what they make of a frame can
    be kept for every window that the frame is in.

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
        self.num_frame_levels = next((i for i, size in enumerate(levels) if size in swin_levels), len(levels))
        channels = tuple(levels.values())
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.levels = nn.ModuleList(
            [
                Level(
                    before,
                    after,
                    blocks_per_level,
                    swin if size in swin_levels else None,
                    Downsample(after) if size != self.sizes[-1] else nn.Identity(),
                )
                for size, before, after in zip(self.sizes, channels[:1] + channels[:-1], channels)
            ]
        )
        self.middle = Middle(channels[-1], swin)
        self.norm_out = group_norm(channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], out_channels, 3, padding=1)

    def forward(self, frames):
        """(B * T, 3, H, W) -> (B * T, out_channels, h, w) and {size of level: feature}."""
        pieces, features = zip(*map(self.frame_levels, split_frames(frames)))
        of_frames = {size: join_frames([piece[size] for piece in features], len(frames)) for size in features[0]}
        x, of_clips = self.clip_levels(join_frames(pieces, len(frames)))
        return x, of_frames | of_clips

    def frame_levels(self, frames):
        """The levels that see each frame by itself.

        Args:
            frames (Tensor): (N, 3, H, W).

        Returns:
            tuple: Their output (N, C, H', W') and {size of level: feature (N, C, H', W')}.
        """
        frames = frames.to(self.conv_in.weight.dtype)
        return self._levels(self.conv_in(frames), slice(self.num_frame_levels))

    def clip_levels(self, x):
        """The rest: output of :meth:`frame_levels` for B * T frames to (B * T, out_channels, h, w) and features."""
        x, features = self._levels(x, slice(self.num_frame_levels, None))
        x = run(self.activation_checkpointing, self.middle, x)
        return self.tail(x), features

    def tail(self, x):
        """Last normalisation, activation and convolution."""
        return self.conv_out(F.silu(self.norm_out(x)))

    def _levels(self, x, which):
        features = {}
        for size, level in zip(self.sizes[which], self.levels[which]):
            x = features[size] = run(self.activation_checkpointing, level, x)
            x = run(self.activation_checkpointing, level.resample, x)
        return x, features


class Decoder(nn.Module):
    """Latents to frames; what a caller passes as ``fuse`` may change the features of each level.

    What comes after the last exchange between frames is computed for those frames alone that are asked for.

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
        self.num_frames = swin['num_frames']
        self.conv_in = nn.Conv2d(in_channels, channels[-1], 3, padding=1)
        self.middle = Middle(channels[-1], swin)
        # Indexed as in the encoder, so that level 0 is the finest in both.
        self.levels = nn.ModuleList(
            [
                Level(
                    before,
                    after,
                    blocks_per_level,
                    swin if size in swin_levels else None,
                    Upsample(after) if size != self.sizes[0] else nn.Identity(),
                )
                for size, before, after in zip(self.sizes, channels[1:] + channels[-1:], channels)
            ]
        )
        self.norm_out = group_norm(channels[0])
        self.conv_out = nn.Conv2d(channels[0], 3, 3, padding=1)

    def forward(self, latents, fuse=None, wanted=slice(None)):
        """Decode latents.

        Args:
            latents (Tensor): (B * T, in_channels, h, w).
            fuse (dict[int, callable] | None): By size of level, what is called as fuse[size](feature, wanted) after
                the level, before it is upsampled; returns the feature to go on with, of the wanted frames alone.
                ``feature`` is (B * T, C, H, W), without gradients an iterator of pieces (n, C, H, W) of that.
            wanted (slice): Which of the T frames of each clip to decode. Default: all.

        Returns:
            Tensor: Frames, (B * wanted, 3, H, W).
        """
        fuse = fuse or {}
        x = run(self.activation_checkpointing, self.middle, self.conv_in(latents))
        last_exchange = min(
            (i for i, level in enumerate(self.levels) if level.swin or self.sizes[i] in fuse),
            default=len(self.levels) - 1,
        )
        for i in reversed(range(last_exchange, len(self.levels))):
            x, fusion = self.rise(i, x), fuse.get(self.sizes[i])
            # Without gradients a fusion gets frames as they are made, and keeps those that it needs.
            if torch.is_grad_enabled() or not fusion:
                x = join_frames(x, len(latents))
            if fusion:
                x = fusion(x, wanted if i == last_exchange else slice(None))
            elif i == last_exchange:
                x = select(x, wanted, self.num_frames)
        # With checkpointing, what is computed again in the backward pass is that of one frame.
        pieces, count = list(split_frames(x, self.activation_checkpointing)), len(x)
        del x
        return join_frames(self.finish(last_exchange, pieces), count)

    def rise(self, i, x):
        """Yield the output of level i in pieces of some frames, (n, C, H, W), from that of the one below it."""
        if self.levels[i].swin:
            yield run(self.activation_checkpointing, self.level_of_clips, i, x)
        else:
            yield from map(partial(self.level_of_frames, i), split_frames(x, self.activation_checkpointing))

    def level_of_clips(self, i, x):
        """Output of level i from that of the one below it."""
        # Step by step, so that nobody holds the input of the level, the largest map there is, to its end.
        for step in self.steps(i):
            x = step(x)
        return x

    def level_of_frames(self, i, x):
        """The same where it has no Swin layers; with checkpointing every step is computed again by itself."""
        for step in self.steps(i):
            x = run(self.activation_checkpointing, step, x)
        return x

    def steps(self, i):
        """From the output of the level below level i to its own."""
        if i + 1 < len(self.levels):
            yield self.levels[i + 1].resample
        yield from self.levels[i].steps()

    def finish(self, i, pieces):
        """Yield frames from the output of level i, a list of pieces that is emptied."""
        while pieces:
            x = pieces.pop(0)
            for step in chain(*map(self.steps, reversed(range(i))), [self.tail]):
                x = run(self.activation_checkpointing, step, x)
            yield x
            del x

    def tail(self, x):
        """Last normalisation, activation and convolution."""
        return self.conv_out(F.silu(self.norm_out(x)))


class Level(nn.Module):
    """Residual blocks of one size, each followed by a Swin layer where ``swin`` is given.

    ``resample`` leads to the next level and is called by the owner, who needs the features
    before it.
    """

    def __init__(self, in_channels, channels, num_blocks, swin, resample):
        super().__init__()
        self.blocks = nn.ModuleList(
            [ResidualBlock(in_channels if i == 0 else channels, channels) for i in range(num_blocks)]
        )
        self.swin = nn.ModuleList([Swin3DLayer(channels, **swin) for _ in range(num_blocks)] if swin else [])
        self.resample = resample

    def steps(self):
        """What the level does, one function of a map after the other."""
        for i, block in enumerate(self.blocks):
            yield block
            if self.swin:
                yield partial(across_frames, self.swin[i])

    def forward(self, x):
        for step in self.steps():
            x = step(x)
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
