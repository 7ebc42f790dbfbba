"""Swin attention over windows that span all frames of a clip (Liu et al., Swin and Video Swin)."""

import functools

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .attention import attention
from .shapes import check_shape

__all__ = ['Swin3DLayer']

# What shifted windows add to the score of two tokens that are not neighbours in the image.
OUTSIDE = -100.0


class Swin3DLayer(nn.Module):
    """Two Swin blocks, the second with windows shifted by half their side.

    A window is ``window_size`` x ``window_size`` positions over all frames. A side no longer
    than that is one window, unshifted.

    Args:
        channels (int): Channels, a multiple of ``num_heads``.
        num_frames (int): Frames T of a clip.
        num_heads (int): Attention heads. Default: 8.
        window_size (int): Side of a window. Default: 4.
        mlp_ratio (float): Width of the MLP over ``channels``. Default: 1.

    Example:
        >>> layer = Swin3DLayer(channels=32, num_frames=3)
        >>> layer(torch.randn(2, 3, 32, 13, 10)).shape
        torch.Size([2, 3, 32, 13, 10])
    """

    def __init__(
        self, channels: int, num_frames: int, num_heads: int = 8, window_size: int = 4, mlp_ratio: float = 1.0
    ) -> None:
        super().__init__()
        self.channels = channels
        self.num_frames = num_frames
        self.blocks = nn.ModuleList(
            [
                Swin3DBlock(channels, num_frames, num_heads, window_size, shift, mlp_ratio)
                for shift in (0, window_size // 2)
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Attend across the frames of clips.

        Args:
            x (Tensor): (B, T, C, H, W), of any height and width.

        Returns:
            Tensor: (B, T, C, H, W).

        Raises:
            ValueError: For another T or C.
        """
        check_shape(x, 'x of Swin3DLayer', 'B', self.num_frames, self.channels, 'H', 'W')
        x = rearrange(x, 'b t c h w -> b t h w c')
        for block in self.blocks:
            x = block(x)
        # Left as a view, x would be channels-last, in which torch's GroupNorm is inaccurate on large feature maps.
        return rearrange(x, 'b t h w c -> b t c h w').contiguous()


class Swin3DBlock(nn.Module):
    """Pre-norm window attention and a pre-norm MLP, each added to its input; (B, T, H, W, C)."""

    def __init__(
        self, channels: int, num_frames: int, num_heads: int, window_size: int, shift: int, mlp_ratio: float
    ) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, num_frames, num_heads, window_size)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = MLP(channels, int(channels * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) -> (B, T, H, W, C)."""
        x = x + self._attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def windows(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (height, width) of windows and of their shifts; a short side is one window, unshifted."""
        (rows, down), (columns, right) = (
            (self.window_size, self.shift) if side > self.window_size else (side, 0) for side in (height, width)
        )
        return (rows, columns), (down, right)

    def _attend(self, x: Tensor) -> Tensor:
        """Attend within windows, padded with zeros to whole windows and rolled by the shift."""
        batch, frames, height, width = x.shape[:4]
        window, shift = self.windows(height, width)
        x = F.pad(x, (0, 0, 0, -width % window[1], 0, -height % window[0]))
        rows, columns = x.shape[2] // window[0], x.shape[3] // window[1]

        bias = self.attn.bias(window)
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), dims=(2, 3))
            mask = shift_mask(frames, rows, columns, window, shift, x.device)
            bias = (bias + mask[:, None]).repeat(batch, 1, 1, 1)
        x = rearrange(x, 'b t (r y) (s x) c -> (b r s) (t y x) c', y=window[0], x=window[1])
        x = self.attn(x, bias)
        x = rearrange(
            x, '(b r s) (t y x) c -> b t (r y) (s x) c', r=rows, s=columns, y=window[0], x=window[1], t=frames
        )
        if any(shift):
            x = x.roll(shift, dims=(2, 3))
        return x[:, :, :height, :width]


class WindowAttention(nn.Module):
    """Multi-head attention inside windows with a learned bias for each relative position."""

    def __init__(self, channels: int, num_frames: int, num_heads: int, window_size: int) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'{channels} channels cannot be split into {num_heads} heads')
        self.num_frames = num_frames
        self.num_heads = num_heads
        self.window_size = window_size
        offsets = (2 * num_frames - 1) * (2 * window_size - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)

    def bias(self, window: tuple[int, int]) -> Tensor:
        """Return the bias of each pair of tokens of a window of (height, width); (1, heads, tokens, tokens)."""
        index = relative_position_index(
            self.num_frames, *window, self.window_size, self.relative_position_bias_table.device
        )
        return rearrange(self.relative_position_bias_table[index], 'l k m -> 1 m l k')

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attend among the tokens of each window.

        Args:
            x (Tensor): (windows, tokens, C); tokens in the order (t, y, x).
            bias (Tensor): (windows, heads, tokens, tokens) or (1, heads, tokens, tokens), added to the scores.

        Returns:
            Tensor: (windows, tokens, C).
        """
        q = rearrange(self.q(x), 'n l (m d) -> n m l d', m=self.num_heads)
        k, v = rearrange(self.kv(x), 'n l (two m d) -> two n m l d', two=2, m=self.num_heads)
        x = attention(q, k, v, bias.to(q.dtype))
        return self.proj(rearrange(x, 'n m l d -> n l (m d)'))


class MLP(nn.Module):
    """Linear, GELU (erf), Linear."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return self.fc2(F.gelu(self.fc1(x)))


# Both tables depend on sizes alone. They are made outside inference mode, because a tensor
# born in it could not take part in a later training step.
@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def relative_position_index(num_frames: int, height: int, width: int, window_size: int, device: torch.device) -> Tensor:
    """Return the row of the bias table for each (query, key) of a window.

    The table is laid out for full windows of ``window_size``; smaller windows use the rows of
    their true offsets.

    Returns:
        Tensor: (tokens, tokens) int64.
    """
    t, y, x = torch.meshgrid(
        *(torch.arange(size, device=device) for size in (num_frames, height, width)), indexing='ij'
    )
    position = torch.stack([t, y, x]).flatten(1)
    offset = position[:, :, None] - position[:, None, :]
    side = 2 * window_size - 1
    return ((offset[0] + num_frames - 1) * side + offset[1] + window_size - 1) * side + offset[2] + window_size - 1


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)
def shift_mask(
    num_frames: int, rows: int, columns: int, window: tuple[int, int], shift: tuple[int, int], device: torch.device
) -> Tensor:
    """Return -100 for tokens that share a shifted window but not a region of the image, else 0.

    Returns:
        Tensor: (rows * columns, tokens, tokens) float32.
    """
    region = torch.zeros(rows * window[0], columns * window[1], device=device)
    for axis, (side, size) in enumerate(zip(region.shape, window)):
        if shift[axis]:
            along = torch.zeros(side, device=device)
            along[-size:] += 1
            along[-shift[axis] :] += 1
            region += along.reshape(-1, 1) * 3 if axis == 0 else along
    region = rearrange(region, '(r y) (s x) -> (r s) (y x)', y=window[0], x=window[1]).repeat(1, num_frames)
    return (region[:, :, None] != region[:, None, :]).float() * OUTSIDE
