"""Networks arranged for training on a GPU: channels-last, and GroupNorm with SiLU by kernels, forward and backward.

Under autocast torch computes both in fp32: of each value it moves 32 bytes forward and 44 backward, and keeps 10, input
and normalised value in fp32 and the activated one in bf16 or fp16. The kernels move 6 and 10, and keep 4, input and
activated value in bf16 or fp16. Feature maps stay channels-last, in which convolutions are fastest; torch's GroupNorm
on a GPU copied them to the other order until 2026 (pytorch/pytorch, pull request 191945).
"""

from torch import Tensor, nn

from . import blocks
from .counterpart import Counterpart, replace
from .inference.cuda import Decoder, Encoder, Swin3DLayer
from .kernels import normalised_silu
from .memory_format import channels_last

__all__ = ['COUNTERPARTS', 'for_training']


def for_training(net: nn.Module) -> None:
    """Turn a network, in place, into one that trains with fewer bytes moved and kept, on a GPU.

    Names and values of parameters and buffers stay as they are, and so does what is computed, up to rounding.

    Args:
        net (nn.Module): Such as TSVQGAN or PGTFormer.
    """
    replace(net, COUNTERPARTS)


class ResidualBlock(Counterpart, blocks.ResidualBlock):
    """As :class:`~pgtf_basicsr.archs.blocks.ResidualBlock`; biases stay with the convolutions."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        x = channels_last(x)
        y = self.conv1(normalised_silu(x, self.norm1))
        y = self.conv2(self.dropout(normalised_silu(y, self.norm2)))
        return self.shortcut(x) + y


COUNTERPARTS: dict[type[nn.Module], type[Counterpart]] = {
    blocks.ResidualBlock: ResidualBlock,
    blocks.Swin3DLayer: Swin3DLayer,
    blocks.Encoder: Encoder,
    blocks.Decoder: Decoder,
}
