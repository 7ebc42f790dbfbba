"""Code predictor of the parsing-guided temporal-coherent transformer (TPCP)."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .attention import attention
from .checkpointing import Checkpointed
from .shapes import check_shape

__all__ = ['CodePredictor', 'PredictorLayer']


class CodePredictor(Checkpointed):
    """Predict a codebook index for each latent of a clip, from all its latents and face parsing.

    Tokens are the latents of all frames in the order (t, y, x); attention is over all of them.
    Parsing features, not sines, say where a token is.

    Args:
        latent_channels (int): Channels D of the latents.
        parsing_channels (int): Channels of the parsing features.
        codebook_size (int): Number N of codes.
        width (int): Channels inside. Default: 512.
        num_layers (int): Transformer layers. Default: 9.
        num_heads (int): Attention heads. Default: 8.
        mlp_width (int): Channels inside the MLPs. Default: 1024.

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
    ) -> None:
        super().__init__()
        self.position = nn.Conv2d(parsing_channels, width, 1)
        self.embedding = nn.Linear(latent_channels, width)
        self.layers = nn.ModuleList([PredictorLayer(width, num_heads, mlp_width) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, codebook_size, bias=False)

    def forward(self, latents: Tensor, parsing: Tensor) -> Tensor:
        """Predict the logits of the codes.

        Args:
            latents (Tensor): (B, T, h, w, D).
            parsing (Tensor): (B * T, parsing_channels, h, w).

        Returns:
            Tensor: (B, T, h, w, N).

        Raises:
            ValueError: For other shapes.
        """
        check_shape(latents, 'latents of CodePredictor', 'B', 'T', 'h', 'w', self.embedding.in_features)
        batch, frames, height, width = latents.shape[:4]
        check_shape(parsing, 'parsing of CodePredictor', batch * frames, self.position.in_channels, height, width)
        position = rearrange(self.position(parsing), '(b t) c h w -> b (t h w) c', b=batch)
        x = self.embedding(latents.flatten(1, 3))
        for layer in self.layers:
            x = self.run(layer, x, position)
        # Logits of likely codes differ by less than bf16 and fp16 resolve.
        with torch.autocast(x.device.type, enabled=False):
            return self.head(self.norm(x.to(self.norm.weight.dtype))).unflatten(1, (frames, height, width))


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

    @staticmethod
    def project(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Map tokens linearly to queries and keys, or to values."""
        return F.linear(x, weight, bias)

    def _attend(self, query: Tensor, value: Tensor) -> Tensor:
        """Compute self_attn(query, query, value)."""
        attn, width = self.self_attn, value.shape[-1]
        weights, biases = (x.split((2 * width, width)) for x in (attn.in_proj_weight, attn.in_proj_bias))
        query_key, value = (self.project(x, weight, bias) for x, weight, bias in zip((query, value), weights, biases))
        query, key, value = (
            rearrange(x, 'b l (m d) -> b m l d', m=attn.num_heads) for x in (*query_key.chunk(2, dim=-1), value)
        )
        return attn.out_proj(rearrange(attention(query, key, value), 'b m l d -> b l (m d)'))
