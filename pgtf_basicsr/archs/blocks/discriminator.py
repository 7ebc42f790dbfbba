"""PatchGAN discriminator (Isola et al., 2017)."""

from torch import Tensor, nn

from ...argument_types import Count
from .shapes import check_shape

__all__ = ['VQGANDiscriminator']


class VQGANDiscriminator(nn.Module):
    """Judge patches of single frames (Isola et al., 2017), as VQGAN does.

    Args:
        num_feat (int): Channels of the first convolution. Default: 64.
        num_layers (int): Convolutions with stride 2. Default: 4.
        num_in_ch (int): Channels of the frames. Default: 3.

    Example:
        >>> net = VQGANDiscriminator(num_feat=8, num_layers=2)
        >>> net(torch.rand(2, 3, 3, 32, 48)).shape  # two clips of three frames
        torch.Size([6, 1, 6, 10])
    """

    def __init__(self, num_feat: Count = 64, num_layers: Count = 4, num_in_ch: Count = 3) -> None:
        super().__init__()
        self.num_in_ch = num_in_ch
        # After the convolutions with stride 2 there are two more, each of which takes a position.
        self.min_size = 3 * 2**num_layers
        layers: list[nn.Module] = [
            nn.Conv2d(num_in_ch, num_feat, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        channels = num_feat
        for i in range(1, num_layers + 1):
            before, channels = channels, num_feat * min(2**i, 8)
            layers += [
                # BatchNorm takes the place of a bias.
                nn.Conv2d(before, channels, 4, stride=2 if i < num_layers else 1, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        layers.append(nn.Conv2d(channels, 1, 4, padding=1))
        self.main = nn.Sequential(*layers)

    def forward(self, frames: Tensor) -> Tensor:
        """Score how real each patch looks, without bound.

        Args:
            frames (Tensor): (N, C, H, W), or a clip (B, T, C, H, W), whose frames are folded.

        Returns:
            Tensor: (N, 1, h, w), or (B * T, 1, h, w); h and w are H and W over 2^num_layers, less two.

        Raises:
            ValueError: For other shapes, and for frames of less than 3 * 2^num_layers pixels a side.
        """
        frames = frames.flatten(0, 1) if frames.dim() == 5 else frames
        check_shape(frames, 'frames of VQGANDiscriminator', 'N', self.num_in_ch, 'H', 'W')
        if min(frames.shape[2:]) < self.min_size:
            raise ValueError(
                f'frames of VQGANDiscriminator must have at least {self.min_size} pixels a side, '
                f'not {tuple(frames.shape)}'
            )
        return self.main(frames)
