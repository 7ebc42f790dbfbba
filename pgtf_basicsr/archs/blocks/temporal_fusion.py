"""Temporal fidelity regulator (TFR): encoder features correct decoder features, over all frames."""

from functools import partial

import torch
from einops import rearrange
from torch import nn

from .frames import frame_by_frame, join_frames, select
from .residual import ResidualBlock

__all__ = ['TemporalFidelityRegulator']


class TemporalFidelityRegulator(nn.Module):
    """Scale and shift decoder features d by what encoder features e of all frames say.

    The result is d + w * (d * scale + shift).  Scale and shift come from e, d and a temporal
    feature in which the reduced e and d of all frames are mixed.

    Args:
        channels (int): Channels C of both features.
        num_frames (int): Frames T of a clip.
        temporal_channels (int): Channels a frame has in the temporal feature. Default: 32.
    """

    def __init__(self, channels, num_frames, temporal_channels=32):
        super().__init__()
        self.num_frames = num_frames
        self.reduce_encoder = nn.Conv2d(channels, temporal_channels, 1)
        self.reduce_decoder = nn.Conv2d(channels, temporal_channels, 1)
        self.mix_frames = nn.Conv2d(2 * num_frames * temporal_channels, num_frames * temporal_channels, 1)
        self.mix_channels = nn.Conv2d(temporal_channels, temporal_channels, 1)
        self.block = ResidualBlock(2 * channels + temporal_channels, channels)
        self.scale = self._modulation(channels)
        self.shift = self._modulation(channels)

    def forward(self, encoder_feature, decoder_feature, fidelity=1.0, wanted=slice(None)):
        """Fuse two features of the same size.

        Args:
            encoder_feature (Tensor | Iterable[Tensor]): e, (B * T, C, H, W), frames of a clip next to each other; or
                pieces of some frames, (n, C, H, W).
            decoder_feature (Tensor | Iterable[Tensor]): d, of the same shape.
            fidelity (float): w; 0 returns d unchanged. Default: 1.
            wanted (slice): Which of the T frames to fuse; all of them are seen. Default: all.

        Returns:
            Tensor: (B * wanted, C, H, W).
        """
        if not isinstance(encoder_feature, torch.Tensor):
            encoder_feature = torch.cat(list(encoder_feature))
        if not isinstance(decoder_feature, torch.Tensor):
            decoder_feature = join_frames(decoder_feature, len(encoder_feature))
        reduced = [self.reduce_encoder(encoder_feature), self.reduce_decoder(decoder_feature)]
        clip = torch.cat([rearrange(x, '(b t) c h w -> b (t c) h w', t=self.num_frames) for x in reduced], dim=1)
        temporal = rearrange(self.mix_frames(clip), 'b (t c) h w -> (b t) c h w', t=self.num_frames)
        encoder_feature, decoder_feature, temporal = (
            select(x, wanted, self.num_frames) for x in (encoder_feature, decoder_feature, temporal)
        )
        return frame_by_frame(
            partial(self.modulate, fidelity=fidelity), encoder_feature, decoder_feature, self.mix_channels(temporal)
        )

    def modulate(self, encoder_feature, decoder_feature, temporal, fidelity):
        """The result of frames whose temporal feature is known."""
        x = self.block(torch.cat([encoder_feature, decoder_feature, temporal], dim=1))
        return decoder_feature + fidelity * (decoder_feature * self.scale(x) + self.shift(x))

    @staticmethod
    def _modulation(channels):
        """Two convolutions, the last one starting at zero: an untrained regulator changes nothing."""
        layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(layers[2].weight)
        nn.init.zeros_(layers[2].bias)
        return layers
