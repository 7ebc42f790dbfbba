"""TS-VQGAN: the autoencoder of stage I, which learns a codebook of clean faces in motion."""

from collections.abc import Sequence

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from einops import rearrange
from torch import nn

from ..argument_types import Count, Counts, Positive, Share
from .blocks import Codebook, Decoder, Encoder
from .published_names import own_state_dict

__all__ = ['TSVQGAN']


@ARCH_REGISTRY.register()
class TSVQGAN(nn.Module):
    """Temporal-spatial VQGAN (PGTFormer, section 3.2). The defaults are the paper's network.

    Attributes:
        image_size (int), num_frames (int): As given.
        stride (int): Pixels a latent spans on each side; height and width are multiples of it.

    Args:
        image_size (int): Nominal size of the frames. It names the levels (image_size,
            image_size / 2, ...); any other size that ``stride`` divides works as well.
        num_frames (int): Frames T of a clip.
        width (int): Channels of the finest level.
        multipliers (tuple[int]): Channels of each level over ``width``, finest level first.
        swin_levels (tuple[int]): Levels with Swin layers; the middle always has them.
        num_heads (int): Heads of the Swin layers.
        window_size (int): Side of the Swin windows, in positions.
        mlp_ratio (float): Width of the Swin MLPs.
        z_channels (int): Channels between encoder or decoder and the latents.
        codebook_size (int): Number N of codes.
        codebook_dim (int): Channels D of latents and codes.
        codebook_decay (float): Decay of the codebook's moving averages.
    """

    def __init__(
        self,
        image_size: Count = 512,
        num_frames: Count = 3,
        width: Count = 64,
        multipliers: Counts = (1, 2, 4, 4, 8),
        swin_levels: Sequence[Count] = (128, 64, 32),
        num_heads: Count = 8,
        window_size: Count = 4,
        mlp_ratio: Positive = 1.0,
        z_channels: Count = 256,
        codebook_size: Count = 1024,
        codebook_dim: Count = 512,
        codebook_decay: Share = 0.99,
    ):
        super().__init__()
        self.image_size = image_size
        self.num_frames = num_frames
        self.stride = 2 ** (len(multipliers) - 1)
        self.level_channels = {image_size // 2**i: width * factor for i, factor in enumerate(multipliers)}
        unknown = set(swin_levels) - set(self.level_channels)
        if unknown:
            raise ValueError(f'swin_levels {sorted(unknown)} are none of the levels {list(self.level_channels)}')

        swin = dict(num_frames=num_frames, num_heads=num_heads, window_size=window_size, mlp_ratio=mlp_ratio)
        self.encoder = Encoder(self.level_channels, swin_levels, z_channels, swin)
        self.to_latents = nn.Conv2d(z_channels, codebook_dim, 1)
        self.codebook = Codebook(codebook_size, codebook_dim, decay=codebook_decay)
        self.from_latents = nn.Conv2d(codebook_dim, z_channels, 1)
        self.decoder = Decoder(self.level_channels, swin_levels, z_channels, swin)

    def forward(self, gt):
        """Reconstruct a clip; in training mode the codebook learns from it.

        Args:
            gt (Tensor): (B, T, 3, H, W), RGB in [0, 1].

        Returns:
            recon (Tensor): (B, T, 3, H, W).
            commitment_loss (Tensor): Scalar, mean((z - sg z_q)^2).
            codes (Tensor): (B, T, h, w), int64.

        Raises:
            ValueError: For a shape the network was not built for.
        """
        latents, _ = self.encode(gt)
        quantised, commitment_loss, codes = self.codebook(latents)
        return self.decode(quantised), commitment_loss, codes

    def encode_codes(self, frames):
        """Codes of a clip; (B, T, 3, H, W) -> (B, T, h, w) int64."""
        return self.codebook.nearest(self.encode(frames)[0].float())

    def decode_codes(self, codes):
        """Frames of codes; (B, T, h, w) int64 -> (B, T, 3, H, W)."""
        return self.decode(self.codebook.lookup(codes))

    def encode(self, frames):
        """Latents (B, T, h, w, D) of a clip and the encoder's features {level: (B * T, C, H', W')}."""
        self.check_clip(frames)
        features, levels = self.encoder(frames.flatten(0, 1))
        return self.fold_latents(features), levels

    def fold_latents(self, features):
        """Latents (B, T, h, w, D) of what the encoder gives for B * T frames."""
        return rearrange(self.to_latents(features), '(b t) d h w -> b t h w d', t=self.num_frames)

    def decode(self, latents, fuse=None, wanted=slice(None)):
        """Frames (B, wanted, 3, H, W) of latents (B, T, h, w, D); for ``fuse`` see :class:`Decoder`."""
        # Contiguous for the sake of GroupNorm, as in Swin3DLayer.
        x = rearrange(latents, 'b t h w d -> (b t) d h w').contiguous()
        x = self.from_latents(x.to(self.from_latents.weight.dtype))
        return self.decoder(x, fuse, wanted).unflatten(0, (len(latents), -1))

    def frame_features(self, frame):
        """What the network computes of each frame by itself, for :meth:`restore_features`.

        A frame of several windows needs it once.

        Args:
            frame (Tensor): (1, 3, H, W), RGB in [0, 1].

        Returns:
            dict: Tensors.

        Raises:
            ValueError: For a size the network was not built for.
        """
        self.check_frame(frame)
        return {'encoder': self.encoder.frame_levels(frame)[0]}

    def restore_features(self, features, wanted=slice(None)):
        """Do what is left of a pass, and of that what the wanted frames need; the result has the bits of a whole pass.

        Args:
            features (list[dict]): Of :meth:`frame_features`, for B * T frames, those of a clip next to each other.
                The list is emptied, so that nothing is held longer than it is needed.
            wanted (slice): Which of the T frames to decode. Default: all.

        Returns:
            Tensor: (B, wanted, 3, H, W).
        """
        x = torch.cat([frame['encoder'] for frame in features])
        features.clear()
        latents = self.fold_latents(self.encoder.clip_levels(x)[0])
        return self.decode(self.codebook(latents)[0], wanted=wanted)

    def check_clip(self, frames):
        """Raise a ValueError that says what fits, if ``frames`` does not."""
        if frames.dim() != 5 or frames.shape[1] != self.num_frames or not self.fits(frames):
            raise ValueError(
                f'{type(self).__name__} cannot take a clip of shape {tuple(frames.shape)}: it takes '
                f'(B, {self.num_frames}, 3, H, W) {self.fitting_sizes()}'
            )

    def check_frame(self, frame):
        """Raise a ValueError that says what fits, if ``frame`` does not."""
        if frame.dim() != 4 or not self.fits(frame):
            raise ValueError(
                f'{type(self).__name__} cannot take a frame of shape {tuple(frame.shape)}: it takes '
                f'(1, 3, H, W) {self.fitting_sizes()}'
            )

    def fits(self, frames):
        """Whether channels, height and width of (..., C, H, W) are what the network takes."""
        channels, height, width = frames.shape[-3:]
        return (
            channels == 3
            and not (height % self.stride or width % self.stride)
            and (height * width >= 2 * self.stride**2)
        )

    def fitting_sizes(self):
        return f'with H and W multiples of {self.stride} that make at least two latents'

    def last_layer(self):
        """Weight of the last layer; the adaptive adversarial weight compares gradients there."""
        return self.decoder.conv_out.weight

    def set_activation_checkpointing(self, enabled):
        """Trade time for memory in training: compute the activations of each level, and of what is as large, twice."""
        self.encoder.activation_checkpointing = enabled
        self.decoder.activation_checkpointing = enabled

    def own_state_dict(self, state):
        """State dict under this package's names, from published names or own ones."""
        return own_state_dict(state)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """As torch's, for this package's tensor names and the published ones."""
        return super().load_state_dict(self.own_state_dict(state_dict), strict=strict, assign=assign)
