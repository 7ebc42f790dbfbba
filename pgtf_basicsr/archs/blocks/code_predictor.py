"""Code predictor of the parsing-guided temporal-coherent transformer (TPCP)."""

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .attention import attention
from .checkpointing import Checkpointed
from .learned_position import LearnedPosition
from .shapes import check_shape

__all__ = ['CodePredictor', 'PredictorLayer']


class CodePredictor(Checkpointed):
    """Predict a codebook index for each latent of a clip, from all its latents and face parsing.

    Tokens are the latents of all frames in the order (t, y, x); attention is over all of them, in space and time.
    Parsing features, not sines, say where a token is. Two arguments make the variants of the paper's Tables 4 and 6.

    Args:
        latent_channels (int): Channels D of the latents.
        parsing_channels (int): Channels of the parsing features.
        codebook_size (int): Number N of codes.
        width (int): Channels inside. Default: 512.
        num_layers (int): Transformer layers. Default: 9.
        num_heads (int): Attention heads. Default: 8.
        mlp_width (int): Channels inside the MLPs. Default: 1024.
        attention (str): ``space-time``, or ``spatial`` for attention among the tokens of each frame alone.
        position (LearnedPosition | None): Position code in place of that of parsing features, which are not used then.

    Example:
        >>> predictor = CodePredictor(
        ...     latent_channels=16, parsing_channels=57, codebook_size=8, width=32, num_layers=2, mlp_width=64
        ... )
        >>> predictor(torch.randn(2, 3, 5, 7, 16), torch.randn(2 * 3, 57, 5, 7)).shape
        torch.Size([2, 3, 5, 7, 8])
    """

    def __init__(
        self,
        latent_channels: int,
        parsing_channels: int,
        codebook_size: int,
        width: int = 512,
        num_layers: int = 9,
        num_heads: int = 8,
        mlp_width: int = 1024,
        attention: Literal['space-time', 'spatial'] = 'space-time',
        position: LearnedPosition | None = None,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.position = position or nn.Conv2d(parsing_channels, width, 1)
        self.embedding = nn.Linear(latent_channels, width)
        self.layers = nn.ModuleList([PredictorLayer(width, num_heads, mlp_width) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, codebook_size, bias=False)

    def forward(self, latents: Tensor, parsing: Tensor | None = None) -> Tensor:
        """Predict the logits of the codes.

        Args:
            latents (Tensor): (B, T, h, w, D).
            parsing (Tensor | None): (B * T, parsing_channels, h, w); None where the position code is learned.

        Returns:
            Tensor: (B, T, h, w, N).

        Raises:
            ValueError: For other shapes.
        """
        check_shape(latents, 'latents of CodePredictor', 'B', 'T', 'h', 'w', self.embedding.in_features)
        batch, frames, height, width = latents.shape[:4]
        together = frames if self.attention == 'space-time' else 1
        position = self._position_code(latents, parsing)
        position = rearrange(position, '(b t) c h w -> b (t h w) c', t=together)
        x = self.embedding(rearrange(latents, 'b (n t) h w d -> (b n) (t h w) d', t=together))
        for layer in self.layers:
            x = self.run(layer, x, position)
        # Logits of likely codes differ by less than bf16 and fp16 resolve.
        with torch.autocast(x.device.type, enabled=False):
            logits = self.head(self.norm(x.to(self.norm.weight.dtype)))
        return logits.view(batch, frames, height, width, -1)

    def _position_code(self, latents: Tensor, parsing: Tensor | None) -> Tensor:
        """Code the position of each latent, (B * T, width, h, w)."""
        batch, frames, height, width = latents.shape[:4]
        if isinstance(self.position, LearnedPosition):
            code = self.position(height, width)
            return code.repeat(batch * frames // len(code), 1, 1, 1)
        if parsing is None:
            raise ValueError('CodePredictor takes parsing features, for its position code is not learned')
        check_shape(parsing, 'parsing of CodePredictor', batch * frames, self.position.in_channels, height, width)
        return self.position(parsing)


class PredictorLayer(nn.Module):
    """Pre-norm self-attention, with the position code added to queries and keys, and an MLP."""

    def __init__(self, width: int, num_heads: int, mlp_width: int) -> None:
        super().__init__()
        if width % num_heads:
            raise ValueError(f'{width} channels cannot be split into {num_heads} heads')
        self.self_attn = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.linear1 = nn.Linear(width, mlp_width)
        self.linear2 = nn.Linear(mlp_width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """x and position: (B, tokens, width) -> (B, tokens, width)."""
        value = self.norm1(x)
        x = x + self._attend(value + position, value)
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))

    def _attend(self, query: Tensor, value: Tensor) -> Tensor:
        """Compute self_attn(query, query, value)."""
        attn, width = self.self_attn, value.shape[-1]
        weights, biases = (x.split((2 * width, width)) for x in (attn.in_proj_weight, attn.in_proj_bias))
        query_key, value = (F.linear(x, weight, bias) for x, weight, bias in zip((query, value), weights, biases))
        query, key, value = (
            rearrange(x, 'b l (m d) -> b m l d', m=attn.num_heads) for x in (*query_key.chunk(2, dim=-1), value)
        )
        return attn.out_proj(rearrange(attention(query, key, value), 'b m l d -> b l (m d)'))
