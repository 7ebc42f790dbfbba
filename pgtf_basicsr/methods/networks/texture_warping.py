"""Main branch of VQFR's parallel decoder: textures of the codebook, warped to the degraded face."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from ...archs.blocks.residual import ResidualBlock, group_norm

__all__ = ['FACTORS', 'INPUT_CHANNELS', 'LEVELS', 'DeformableConv', 'MainDecoder', 'TextureWarping']

# By how much each level is smaller than the frame, finest first, and its name in the published checkpoints.
FACTORS = (1, 2, 4, 8, 16, 32)
LEVELS = tuple(f'Level_{factor}' for factor in FACTORS)
# Channels of the features of the degraded face.
INPUT_CHANNELS = 32


class MainDecoder(nn.Module):
    """Decode warped textures, from the coarsest level to the finest.

    Args:
        channels (Sequence[int]): Channels of each level, finest first.
        upsample (Callable): Builds the module that doubles a level's size, from its channels before and after.
        downsample (Callable): Builds the module that makes the degraded face's features smaller, from the factor.
    """

    def __init__(
        self, channels: Sequence[int], upsample: Callable[[int, int], nn.Module], downsample: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        coarser = (*channels[1:], 0)
        self.align_func_dict = nn.ModuleDict(
            {
                level: TextureWarping(after, before, downsample(factor))
                for level, factor, before, after in zip(LEVELS, FACTORS, coarser, channels)
            }
        )
        finer = list(zip(LEVELS, coarser, channels))[:-1]
        self.pre_upsample_dict = nn.ModuleDict({level: upsample(before, after) for level, before, after in finer})
        self.decoder_dict = nn.ModuleDict({level: ResidualBlock(2 * after, after) for level, _, after in finer})

    def decode(self, textures: Mapping[str, Tensor], degraded: Tensor) -> Tensor:
        """Warp and decode the textures of all levels.

        Args:
            textures (Mapping[str, Tensor]): Features of the texture branch by level, (N, channels, H / f, W / f).
            degraded (Tensor): Features of the degraded face, (N, INPUT_CHANNELS, H, W).

        Returns:
            Tensor: Features of the finest level, (N, channels, H, W).
        """
        *finer, coarsest = LEVELS
        x, offsets = self.align_func_dict[coarsest](textures[coarsest], degraded)
        for level in reversed(finer):
            # On twice as many pixels an offset is twice as long.
            offsets = 2 * F.interpolate(offsets, scale_factor=2.0, mode='bilinear')
            warped, offsets = self.align_func_dict[level](textures[level], degraded, offsets)
            x = self.decoder_dict[level](torch.cat([self.pre_upsample_dict[level](x), warped], 1))
        return x


class TextureWarping(nn.Module):
    """Texture warping module: a deformable convolution moves textures to where the degraded face has them.

    Args:
        channels (int): Channels of the texture.
        coarser_channels (int): Channels of the next coarser level's offset features; 0 if there is none.
        downsample (nn.Module): Brings the degraded face's features to the size of the texture.
    """

    def __init__(self, channels: int, coarser_channels: int, downsample: nn.Module) -> None:
        super().__init__()
        self.downsample = downsample
        self.offset_conv1 = nn.Sequential(
            nn.Conv2d(INPUT_CHANNELS + channels, channels, 1),
            group_norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            group_norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.offset_conv2 = nn.Sequential(
            nn.Conv2d(channels + coarser_channels, channels, 3, padding=1), group_norm(channels), nn.SiLU()
        )
        self.dcn = DeformableConv(channels)

    def forward(self, texture: Tensor, degraded: Tensor, coarser: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Warp a texture.

        Args:
            texture (Tensor): (N, channels, h, w).
            degraded (Tensor): Features of the degraded face, (N, INPUT_CHANNELS, H, W).
            coarser (Tensor | None): Offset features of the next coarser level, at this size.

        Returns:
            tuple: The warped texture and the offset features, both (N, channels, h, w).
        """
        offsets = self.offset_conv1(torch.cat([self.downsample(degraded), texture], 1))
        offsets = self.offset_conv2(offsets if coarser is None else torch.cat([offsets, coarser], 1))
        return self.dcn(texture, offsets), offsets


class DeformableConv(nn.Module):
    """Modulated deformable 3x3 convolution (DCNv2, Zhu et al., 2019) whose offsets come from other features.

    With the nine positions p_k of the kernel, offsets o_k and modulations m_k in (0, 1), a group of channels has

        out(p) = bias + sum_k weight_k m_k(p) x(p + p_k + o_k(p)).

    Args:
        channels (int): Channels of input, output and features.
        groups (int): Groups of channels with offsets of their own. Default: 4.
    """

    def __init__(self, channels: int, groups: int = 4) -> None:
        super().__init__()
        taps = 3 * 3
        self.parts = [2 * groups * taps, groups * taps]  # two coordinates, one modulation
        self.weight = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(channels, channels, 3, 3), a=5**0.5))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.conv_offset = nn.Conv2d(channels, sum(self.parts), 3, padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(N, C, H, W), features of the same shape -> (N, C, H, W)."""
        offsets, modulation = self.conv_offset(features).split(self.parts, 1)
        # torchvision has it for bf16 on no CPU.
        with torch.autocast(x.device.type, enabled=False):
            return deform_conv2d(
                x.float(), offsets.float(), self.weight, self.bias, padding=1, mask=modulation.float().sigmoid()
            )
