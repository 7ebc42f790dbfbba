"""Fidelity regulators: encoder features correct decoder features, over all frames (TFR) or in each frame."""

from functools import partial

import torch
from einops import rearrange
from torch import Tensor, nn

from .frames import per_frame
from .residual import ResidualBlock
from .shapes import check_shape

__all__ = ['FidelityRegulator', 'SpatialFidelityRegulator', 'TemporalFidelityRegulator']


class FidelityRegulator(nn.Module):
    """Base of what scales and shifts decoder features d by features x of both e and d: d + w * (d * scale + shift).

    Args:
        channels (int): Channels C of both features, a multiple of 32.
        num_frames (int): Frames T of a clip.
    """

    block: nn.Module
    scale: nn.Sequential
    shift: nn.Sequential

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__()
        self.channels = channels
        self.num_frames = num_frames

    def forward(self, encoder_feature: Tensor, decoder_feature: Tensor, fidelity: float = 1.0) -> Tensor:
        """Fuse two features of the same size.

        Args:
            encoder_feature (Tensor): e, (B * T, C, H, W), frames of a clip next to each other.
            decoder_feature (Tensor): d, of the same shape.
            fidelity (float): w; 0 returns d unchanged. Default: 1.

        Returns:
            Tensor: (B * T, C, H, W).

        Raises:
            ValueError: For other shapes.
        """
        name = type(self).__name__
        check_shape(encoder_feature, f'encoder_feature of {name}', 'B * T', self.channels, 'H', 'W')
        check_shape(decoder_feature, f'decoder_feature of {name}', *encoder_feature.shape)
        frames = encoder_feature.shape[0]
        if frames % self.num_frames:
            raise ValueError(f'{name} takes whole clips of {self.num_frames} frames, not {frames}')
        features = self.features(encoder_feature, decoder_feature)
        return per_frame(partial(self.modulate, fidelity=fidelity), *features)

    def features(self, encoder_feature: Tensor, decoder_feature: Tensor) -> tuple[Tensor, ...]:
        """List what :meth:`modulate` takes, e and d first; (B * T, C, H, W) twice -> (B * T, C', H, W) each."""
        return encoder_feature, decoder_feature

    def modulate(self, encoder_feature: Tensor, decoder_feature: Tensor, *others: Tensor, fidelity: float) -> Tensor:
        """Fuse features of frames, (N, C, H, W), as :meth:`features` lists them."""
        x = self.block(torch.cat([encoder_feature, decoder_feature, *others], dim=1))
        return decoder_feature + fidelity * (decoder_feature * self.scale(x) + self.shift(x))

    def add_modulation(self, in_channels: int) -> None:
        """Add the layers that compute scale and shift from concatenated features."""
        self.block = ResidualBlock(in_channels, self.channels)
        self.scale = modulation(self.channels)
        self.shift = modulation(self.channels)


class TemporalFidelityRegulator(FidelityRegulator):
    """Scale and shift decoder features d by what encoder features e of all frames say.

    The result is d + w * (d * scale + shift). Scale and shift come from e, d and a temporal
    feature in which the reduced e and d of all frames are mixed.

    Args:
        channels (int): Channels C of both features, a multiple of 32.
        num_frames (int): Frames T of a clip.
        temporal_channels (int): Channels a frame has in the temporal feature, a multiple of 32. Default: 32.

    Example:
        >>> regulator = TemporalFidelityRegulator(channels=64, num_frames=3)
        >>> encoder_feature, decoder_feature = torch.randn(2, 2 * 3, 64, 9, 14)
        >>> regulator(encoder_feature, decoder_feature, fidelity=0.5).shape
        torch.Size([6, 64, 9, 14])
    """

    def __init__(self, channels: int, num_frames: int, temporal_channels: int = 32) -> None:
        super().__init__(channels, num_frames)
        self.reduce_encoder = nn.Conv2d(channels, temporal_channels, 1)
        self.reduce_decoder = nn.Conv2d(channels, temporal_channels, 1)
        self.mix_frames = nn.Conv2d(2 * num_frames * temporal_channels, num_frames * temporal_channels, 1)
        self.mix_channels = nn.Conv2d(temporal_channels, temporal_channels, 1)
        self.add_modulation(2 * channels + temporal_channels)

    def features(self, encoder_feature: Tensor, decoder_feature: Tensor) -> tuple[Tensor, ...]:
        """List e, d and the temporal feature (B * T, C', H, W)."""
        return encoder_feature, decoder_feature, self.temporal_feature(encoder_feature, decoder_feature)

    def temporal_feature(self, encoder_feature: Tensor, decoder_feature: Tensor) -> Tensor:
        """Mix the reduced features of all frames of a clip; (B * T, C, H, W) twice -> (B * T, C', H, W)."""
        reduced = [self.reduce_encoder(encoder_feature), self.reduce_decoder(decoder_feature)]
        clip = torch.cat([rearrange(x, '(b t) c h w -> b (t c) h w', t=self.num_frames) for x in reduced], dim=1)
        mixed = rearrange(self.mix_frames(clip), 'b (t c) h w -> (b t) c h w', t=self.num_frames)
        return self.mix_channels(mixed)


class SpatialFidelityRegulator(FidelityRegulator):
    """Scale and shift decoder features d by what encoder features e of the same frame say.

    It is a :class:`TemporalFidelityRegulator` without the temporal feature: the spatial-only one of the paper's
    Table 5, and the controllable feature transformation of CodeFormer (Zhou et al., 2022).

    Args:
        channels (int): Channels C of both features, a multiple of 32.
        num_frames (int): Frames T of a clip.

    Example:
        >>> regulator = SpatialFidelityRegulator(channels=64, num_frames=3)
        >>> encoder_feature, decoder_feature = torch.randn(2, 2 * 3, 64, 9, 14)
        >>> regulator(encoder_feature, decoder_feature, fidelity=0.5).shape
        torch.Size([6, 64, 9, 14])
    """

    def __init__(self, channels: int, num_frames: int) -> None:
        super().__init__(channels, num_frames)
        self.add_modulation(2 * channels)


def modulation(channels: int) -> nn.Sequential:
    """Build two convolutions, the last one starting at zero: an untrained regulator changes nothing."""
    first, last = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True), last)
