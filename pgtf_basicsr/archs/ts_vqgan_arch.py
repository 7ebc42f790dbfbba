"""TS-VQGAN: the autoencoder of stage I, which learns a codebook of clean faces in motion."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from einops import rearrange
from torch import Tensor, nn

from ..argument_types import Count, Counts, Positive, Share
from .blocks import Codebook, Decoder, Encoder
from .blocks.checkpointing import Checkpointed
from .input_requirements import InputRequirements
from .pretrained import Pretrained
from .published_names import own_state_dict

__all__ = ['TSVQGAN']


@ARCH_REGISTRY.register()
class TSVQGAN(Pretrained):
    """Temporal-spatial VQGAN (PGTFormer, section 3.2). The defaults are the paper's network.

    Attributes:
        image_size (int), num_frames (int): As given.
        requirements (InputRequirements): The clips that the network accepts.
        stride (int): Pixels a latent spans on each side; height and width are multiples of it.

    Args:
        image_size (int): Nominal size of the frames. It names the levels (image_size,
            image_size / 2, ...); any other size that ``stride`` divides works as well.
        num_frames (int): Frames T of a clip.
        width (int): Channels of the finest level.
        multipliers (tuple[int]): Channels of each level over ``width``, finest level first.
        swin_levels (tuple[int]): Levels with Swin layers; the middle has one as well.
        num_heads (int): Heads of the Swin layers.
        window_size (int): Side of the Swin windows, in positions.
        mlp_ratio (float): Width of the Swin MLPs over their channels.
        z_channels (int): Channels between encoder or decoder and the latents.
        codebook_size (int): Number N of codes.
        codebook_dim (int): Channels D of latents and codes.
        codebook_decay (float): Decay of the codebook's moving averages.
        swin3d (bool): Have Swin layers, in which frames see each other. Without, whatever ``swin_levels`` are, it is
            the image VQGAN of the paper's Table 3.
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
        swin3d: bool = True,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.num_frames = num_frames
        self.requirements = InputRequirements.of_levels(len(multipliers), num_frames)
        self.stride = self.requirements.multiple_of
        self.level_channels = {image_size // 2**i: width * factor for i, factor in enumerate(multipliers)}
        unknown = set(swin_levels) - set(self.level_channels)
        if unknown:
            raise ValueError(f'swin_levels {sorted(unknown)} are none of the levels {list(self.level_channels)}')

        swin = dict(num_frames=num_frames, num_heads=num_heads, window_size=window_size, mlp_ratio=mlp_ratio)
        swin_levels = swin_levels if swin3d else ()
        self.encoder = Encoder(self.level_channels, swin_levels, z_channels, swin, middle_swin=swin3d)
        self.to_latents = nn.Conv2d(z_channels, codebook_dim, 1)
        self.codebook = Codebook(codebook_size, codebook_dim, decay=codebook_decay)
        self.from_latents = nn.Conv2d(codebook_dim, z_channels, 1)
        self.decoder = Decoder(self.level_channels, swin_levels, z_channels, swin, middle_swin=swin3d)

    def forward(self, gt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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

    def encode_codes(self, frames: Tensor) -> Tensor:
        """Encode a clip to its codes; (B, T, 3, H, W) -> (B, T, h, w) int64."""
        return self.codebook.nearest(self.encode(frames)[0].float())

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Decode codes to frames; (B, T, h, w) int64 -> (B, T, 3, H, W)."""
        return self.decode(self.codebook.lookup(codes))

    def encode(self, frames: Tensor) -> tuple[Tensor, dict[int, Tensor]]:
        """Encode a clip to latents (B, T, h, w, D) and the encoder's features {level: (B * T, C, H', W')}."""
        self.requirements.check_clip(frames, type(self).__name__)
        x, features = self.encoder(frames.flatten(0, 1))
        return self.latents_of(x), features

    def latents_of(self, x: Tensor) -> Tensor:
        """Map the encoder's output for B * T frames to latents (B, T, h, w, D)."""
        return rearrange(self.to_latents(x), '(b t) d h w -> b t h w d', t=self.num_frames)

    def decode(self, latents: Tensor, fuse: Mapping[int, Callable[[Tensor], Tensor]] | None = None) -> Tensor:
        """Decode latents (B, T, h, w, D) to frames (B, T, 3, H, W); for ``fuse`` see :class:`Decoder`."""
        return self.decoder(self.decoder_input(latents), fuse).unflatten(0, (-1, self.num_frames))

    def decoder_input(self, latents: Tensor) -> Tensor:
        """Map latents (B, T, h, w, D) to the decoder's input for B * T frames."""
        # Contiguous for the sake of GroupNorm, as in Swin3DLayer.
        x = rearrange(latents, 'b t h w d -> (b t) d h w').contiguous()
        return self.from_latents(x.to(self.from_latents.weight.dtype))

    def last_layer(self) -> Tensor:
        """Return the weight of the last layer; the adaptive adversarial weight compares gradients there."""
        return self.decoder.conv_out.weight

    def set_activation_checkpointing(self, enabled: bool) -> None:
        """Trade time for memory in training: compute the activations of all large layers twice."""
        for module in self.modules():
            if isinstance(module, Checkpointed):
                module.activation_checkpointing = enabled

    def own_state_dict(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the tensors of a state dict with published or own names to own names."""
        return own_state_dict(state)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load as torch does, for this package's tensor names and the published ones."""
        return super().load_state_dict(self.own_state_dict(state_dict), strict=strict, assign=assign)
