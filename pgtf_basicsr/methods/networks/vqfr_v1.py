"""VQFR as in the paper (Gu et al., "VQFR: Blind Face Restoration with Vector-Quantized Dictionary and Parallel
Decoder", ECCV 2022), with the tensor names of its published checkpoint."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...archs.blocks.residual import ResidualBlock, group_norm
from .texture_warping import INPUT_CHANNELS, LEVELS, MainDecoder

__all__ = ['VQFRv1']

CHANNEL_MULTIPLIERS = (1, 1, 2, 2, 2, 4)
ENCODER_BLOCKS = 2
DECODER_BLOCKS = 3
COARSEST = LEVELS[-1]


class VQFRv1(nn.Module):
    """Encode a face, look its latents up in a codebook of high-quality faces, and decode in two branches.

    The texture branch sees the codes alone; the main branch warps its features to the degraded face.

    Args:
        base_channels (int): Channels of the finest level, a multiple of 32. Default: 128.
        codes (int): Codes of the codebook. Default: 1024.
        code_channels (int): Channels of a code. Default: 256.

    Attributes:
        CODEBOOK (str): Name of the tensor of codes, which the other version does not have.
    """

    CODEBOOK = f'quantizer.quantize_dict.{COARSEST}.embedding.weight'

    def __init__(self, base_channels: int = 128, codes: int = 1024, code_channels: int = 256) -> None:
        super().__init__()
        channels = [base_channels * multiplier for multiplier in CHANNEL_MULTIPLIERS]
        self.inpfeat_extraction = named('conv', nn.Conv2d(3, INPUT_CHANNELS, 3, padding=1))
        self.encoder = Encoder(channels)
        self.quantizer = named('quantize_dict', named(COARSEST, Quantizer(channels[-1], codes, code_channels)))
        self.decoder = TextureDecoder(channels)
        self.main_decoder = FrameDecoder(channels)

    def forward(self, frames: Tensor) -> Tensor:
        """Restore frames (N, 3, H, W) in [-1, 1], H and W multiples of 32; 512 is what it was trained on."""
        textures = self.decoder(self.quantizer(self.encoder(frames)))
        return self.main_decoder(textures, self.inpfeat_extraction(frames), frames)

    @staticmethod
    def own_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give tensors of the published checkpoint the names they have here."""
        return {name.replace('.shortcut_conv.', '.shortcut.'): tensor for name, tensor in state.items()}


class Encoder(nn.Module):
    """(N, 3, H, W) -> latents (N, channels of the coarsest level, H / 32, W / 32)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.pre_downsample_dict = nn.ModuleDict({LEVELS[0]: nn.Identity()})
        for level, before, after in zip(LEVELS[1:], channels, channels[1:]):
            self.pre_downsample_dict[level] = Downsample(before, after, 2)
        self.encoder_dict = nn.ModuleDict(
            {level: residual_blocks(width, ENCODER_BLOCKS) for level, width in zip(LEVELS, channels)}
        )
        self.enc_convout_dict = named(COARSEST, output_layers(channels[-1], channels[-1]))

    def forward(self, frames: Tensor) -> Tensor:
        x = self.conv_in(frames)
        for level in LEVELS:
            x = self.encoder_dict[level](self.pre_downsample_dict[level](x))
        return self.enc_convout_dict(x)


class Quantizer(nn.Module):
    """Replace latents (N, channels, h, w) by the nearest codes."""

    def __init__(self, channels: int, codes: int, code_channels: int) -> None:
        super().__init__()
        self.quant_conv = nn.Conv2d(channels, code_channels, 1)
        self.embedding = nn.Embedding(codes, code_channels)
        self.post_quant_conv = nn.Conv2d(code_channels, channels, 1)

    def forward(self, latents: Tensor) -> Tensor:
        latents = self.quant_conv(latents).permute(0, 2, 3, 1)
        # In fp32, to which autocast casts it as well: near codes differ by less than bf16 and fp16 resolve.
        distances = torch.cdist(latents.flatten(1, 2).float(), self.embedding.weight.float())
        codes = distances.argmin(-1).view(latents.shape[:-1])
        return self.post_quant_conv(self.embedding(codes).permute(0, 3, 1, 2))


class TextureDecoder(nn.Module):
    """Latents (N, C, h, w) -> features by level, (N, channels, 32 h / f, 32 w / f)."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.pre_upsample_dict = nn.ModuleDict({COARSEST: nn.Identity()})
        for level, before, after in zip(LEVELS, channels[1:], channels):
            self.pre_upsample_dict[level] = Upsample(before, after)
        self.decoder_dict = nn.ModuleDict(
            {level: residual_blocks(width, DECODER_BLOCKS) for level, width in zip(LEVELS, channels)}
        )
        # Makes the frame of the texture branch, which training compares with the real one; the restored frame does
        # not need it.
        self.conv_out = output_layers(channels[0], 3)

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        features = {}
        x = latents
        for level in reversed(LEVELS):
            x = features[level] = self.decoder_dict[level](self.pre_upsample_dict[level](x))
        return features


class FrameDecoder(MainDecoder):
    """Main branch up to the restored frame; its last layer sees the degraded frame as well."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__(channels, Upsample, downsample_input)
        self.conv_out_1 = nn.Sequential(group_norm(channels[0]), nn.SiLU())
        self.conv_out = nn.Sequential(nn.Conv2d(channels[0] + 3, 3, 3, padding=1))

    def forward(self, textures: Mapping[str, Tensor], degraded: Tensor, frames: Tensor) -> Tensor:
        """See `MainDecoder.decode`; frames and result are (N, 3, H, W)."""
        x = self.conv_out_1(self.decode(textures, degraded))
        return self.conv_out(torch.cat([x, frames], 1))


class Upsample(nn.Module):
    """Convolve 3x3, then double height and width bilinearly."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W)."""
        return F.interpolate(self.conv(x), scale_factor=2.0, mode='bilinear')


class Downsample(nn.Module):
    """Divide height and width by a factor bilinearly, without antialiasing, then convolve 3x3."""

    def __init__(self, in_channels: int, out_channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / factor, W / factor)."""
        return self.conv(F.interpolate(x, scale_factor=1 / self.factor, mode='bilinear'))


def named(name: str, module: nn.Module) -> nn.Sequential:
    """Put a module one level down in the names of tensors."""
    return nn.Sequential(OrderedDict({name: module}))


def downsample_input(factor: int) -> nn.Module:
    return nn.Identity() if factor == 1 else Downsample(INPUT_CHANNELS, INPUT_CHANNELS, factor)


def residual_blocks(channels: int, number: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels, channels) for _ in range(number)))


def output_layers(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(group_norm(in_channels), nn.SiLU(), nn.Conv2d(in_channels, out_channels, 3, padding=1))
