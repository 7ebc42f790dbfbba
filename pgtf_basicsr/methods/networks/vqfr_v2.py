"""Second version of VQFR, with the tensor names of its published checkpoint.

Against the paper's network the codes are predicted instead of looked up, the coarsest level has attention, and the
main branch is added to the texture's features by a factor that the user chooses.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ...archs.blocks.attention import attention
from ...archs.blocks.residual import Downsample, ResidualBlock, Upsample, group_norm
from .texture_warping import INPUT_CHANNELS, LEVELS, MainDecoder

__all__ = ['VQFRv2']

CHANNEL_MULTIPLIERS = (1, 2, 2, 4, 4, 8)


class VQFRv2(nn.Module):
    """Encode a face, predict codes of high-quality faces, and decode in two branches.

    The texture branch sees the codes alone; the main branch warps its features to the degraded face.

    Args:
        base_channels (int): Channels of the finest level, a multiple of 32. Default: 64.
        codes (int): Codes of the codebook. Default: 1024.
        code_channels (int): Channels of a code. Default: 256.

    Attributes:
        CODEBOOK (str): Name of the tensor of codes, which the other version does not have.
    """

    CODEBOOK = 'quantizer.embedding.weight'

    def __init__(self, base_channels: int = 64, codes: int = 1024, code_channels: int = 256) -> None:
        super().__init__()
        channels = [base_channels * multiplier for multiplier in CHANNEL_MULTIPLIERS]
        self.inpfeat_extraction = nn.Conv2d(3, INPUT_CHANNELS, 3, padding=1)
        self.encoder = Encoder(channels, code_channels)
        self.feat2index = nn.Sequential(nn.LayerNorm(code_channels), nn.Linear(code_channels, codes))
        self.quantizer = nn.ModuleDict({'embedding': nn.Embedding(codes, code_channels)})
        self.decoder = TextureDecoder(channels, code_channels)
        self.main_branch = MainDecoder(channels, upsample, DownsampleInput)

    def forward(self, frames: Tensor, fidelity: float = 0.0) -> Tensor:
        """Restore frames.

        Args:
            frames (Tensor): (N, 3, H, W) in [-1, 1], H and W multiples of 32; 512 is what it was trained on.
            fidelity (float): Weight of the main branch, 0 (textures of the codebook alone) to 1. Default: 0.

        Returns:
            Tensor: (N, 3, H, W), about [-1, 1].
        """
        codes = self.feat2index(self.encoder(frames).permute(0, 2, 3, 1)).argmax(-1)
        textures = self.decoder(self.quantizer['embedding'](codes).permute(0, 3, 1, 2))
        corrections = self.main_branch.decode(textures, self.inpfeat_extraction(frames))
        return self.decoder.conv_out(textures[LEVELS[0]] + fidelity * corrections)

    @staticmethod
    def own_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give tensors of the published checkpoint the names they have here."""
        return {name.replace('.residual_func.', '.shortcut.'): tensor for name, tensor in state.items()}


class Encoder(nn.Module):
    """(N, 3, H, W) -> latents (N, code_channels, H / 32, W / 32)."""

    def __init__(self, channels: Sequence[int], code_channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.blocks = nn.Sequential(nn.Sequential(*two_blocks(channels[0], channels[0])))
        for before, after in pairwise(channels[:-1]):
            self.blocks.append(nn.Sequential(Downsample(before), *two_blocks(before, after)))
        self.blocks.append(nn.Sequential(Downsample(channels[-2]), *two_attentive_blocks(channels[-2], channels[-1])))
        self.mid_blocks = middle(channels[-1])
        self.conv_out = output_layers(channels[-1], code_channels)

    def forward(self, frames: Tensor) -> Tensor:
        return self.conv_out(self.mid_blocks(self.blocks(self.conv_in(frames))))


class TextureDecoder(nn.Module):
    """Codes (N, code_channels, h, w) -> features by level, (N, channels, 32 h / f, 32 w / f)."""

    def __init__(self, channels: Sequence[int], code_channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(code_channels, channels[-1], 3, padding=1)
        self.mid_blocks = middle(channels[-1])
        self.blocks = nn.Sequential(nn.Sequential(*two_attentive_blocks(channels[-1], channels[-1])))
        for before, after in pairwise(reversed(channels)):
            self.blocks.append(nn.Sequential(Upsample(before), *two_blocks(before, after)))
        # Shared by both branches: the network calls it on the sum of their features.
        self.conv_out = output_layers(channels[0], 3)

    def forward(self, codes: Tensor) -> dict[str, Tensor]:
        features = {}
        x = self.mid_blocks(self.conv_in(codes))
        for level, blocks in zip(reversed(LEVELS), self.blocks):
            x = features[level] = blocks(x)
        return features


class SpatialAttention(nn.Module):
    """Self-attention of all positions of a frame, with one head, and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        normed = self.norm(x)
        query, key, value = (layer(normed).flatten(2).transpose(1, 2)[:, None] for layer in (self.q, self.k, self.v))
        attended = attention(query, key, value)[:, 0].transpose(1, 2)
        return x + self.proj_out(attended.reshape(x.shape))


class DownsampleInput(nn.Module):
    """Divide height and width by a factor bilinearly, without antialiasing."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H / factor, W / factor)."""
        return F.interpolate(x, scale_factor=1 / self.factor, mode='bilinear')


def upsample(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2.0), nn.Conv2d(in_channels, out_channels, 3, padding=1))


def two_blocks(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [ResidualBlock(in_channels, out_channels), ResidualBlock(out_channels, out_channels)]


def two_attentive_blocks(in_channels: int, out_channels: int) -> list[nn.Module]:
    first, second = two_blocks(in_channels, out_channels)
    return [first, SpatialAttention(out_channels), second, SpatialAttention(out_channels)]


def middle(channels: int) -> nn.Sequential:
    first, second = two_blocks(channels, channels)
    return nn.Sequential(first, SpatialAttention(channels), second)


def output_layers(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(group_norm(in_channels), nn.SiLU(), nn.Conv2d(in_channels, out_channels, 3, padding=1))
