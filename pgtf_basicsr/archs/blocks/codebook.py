"""Vector quantisation with a codebook learned by moving averages (van den Oord et al., 2017)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch import distributed as dist

__all__ = ['Codebook']


class Codebook(nn.Module):
    """Quantise latents to the nearest of N codes, with the straight-through gradient.

    In training mode every call updates the codebook: with counts and sums of the latents z
    that fell to each code, over all ranks,

        size <- decay * size + (1 - decay) * count,    sum <- decay * sum + (1 - decay) * sum(z),

    codes whose size is below 1 restart at a random latent, and with n = sum of sizes

        weight = sum / (n * (size + eps) / (n + N * eps)).

    Sizes start at 0, so the first step takes the codes from data. All ranks hold the same
    codebook after every step. A call returns codes and vectors of before its own step.

    Args:
        size (int): Number N of codes.
        channels (int): Channels D of a code.
        decay (float): Decay of the moving averages. Default: 0.99.
        restart (bool): Restart codes that are hardly used. Default: True.
        eps (float): Smoothing of the sizes. Default: 1e-5.

    Example:
        >>> codebook = Codebook(size=8, channels=4)
        >>> latents = torch.randn(2, 3, 5, 7, 4, requires_grad=True)
        >>> quantised, commitment_loss, codes = codebook(latents)
        >>> quantised.shape, codes.shape
        (torch.Size([2, 3, 5, 7, 4]), torch.Size([2, 3, 5, 7]))
        >>> commitment_loss.backward()  # trains what made the latents; the codes have learned already
        >>> codebook.lookup(codes).shape
        torch.Size([2, 3, 5, 7, 4])
    """

    weight: Tensor
    code_size: Tensor
    code_sum: Tensor

    def __init__(self, size: int, channels: int, decay: float = 0.99, restart: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.decay = decay
        self.restart = restart
        self.eps = eps
        self.register_buffer('weight', torch.randn(size, channels))
        self.register_buffer('code_size', torch.zeros(size))
        self.register_buffer('code_sum', torch.zeros(size, channels))

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise latents; in training mode, learn from them.

        Args:
            latents (Tensor): (..., D).

        Returns:
            quantised (Tensor): (..., D), gradient passed straight through to ``latents``.
            commitment_loss (Tensor): mean((z - sg z_q)^2), a scalar.
            codes (Tensor): (...), int64.

        Raises:
            ValueError: For latents of another D.
        """
        # Distances of near codes differ by less than bf16 and fp16 resolve.
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.float()
            codes = self.nearest(latents)
            quantised = self.lookup(codes)
            commitment_loss = F.mse_loss(latents, quantised)
            if self.training:
                self._learn(latents.detach().flatten(0, -2), codes.flatten())
            return latents + (quantised - latents).detach(), commitment_loss, codes

    def nearest(self, latents: Tensor) -> Tensor:
        """Find the index of the code with the smallest Euclidean distance; (..., D) -> (...) int64."""
        if latents.shape[-1:] != self.weight.shape[1:]:
            raise ValueError(
                f'latents of Codebook must have the shape (..., {self.weight.shape[1]}), not {tuple(latents.shape)}'
            )
        # |z - e|^2 = |z|^2 + |e|^2 - 2 z.e, and |z|^2 does not change the order.
        half_norm = self.weight.square().sum(1) / 2
        return torch.addmm(-half_norm, latents.flatten(0, -2), self.weight.t()).argmax(1).view(latents.shape[:-1])

    def lookup(self, codes: Tensor) -> Tensor:
        """Look up the vectors of codes; (...) int64 -> (..., D)."""
        return F.embedding(codes, self.weight)

    @torch.no_grad()
    def _learn(self, latents: Tensor, codes: Tensor) -> None:
        # Neither bincount nor indices by mask: the CPU would have to wait for the GPU.
        count = torch.zeros_like(self.code_size).index_add_(0, codes, torch.ones_like(latents[:, 0]))
        total = torch.zeros_like(self.code_sum).index_add_(0, codes, latents)
        if dist.is_initialized():
            dist.all_reduce(count)
            dist.all_reduce(total)
        self.code_size.lerp_(count, 1 - self.decay)
        self.code_sum.lerp_(total, 1 - self.decay)
        if self.restart:
            unused = self.code_size < 1
            restarted = random_latents(latents, len(self.weight))
            self.code_sum.copy_(torch.where(unused[:, None], restarted, self.code_sum))
            self.code_size.masked_fill_(unused, 1)
        n = self.code_size.sum()
        smoothed = n * (self.code_size + self.eps) / (n + len(self.weight) * self.eps)
        self.weight.copy_(self.code_sum / smoothed[:, None])


def random_latents(latents: Tensor, number: int) -> Tensor:
    """Draw ``number`` latents from those of all ranks, the same on every rank.

    Where there are fewer latents than that, they are tiled and the copies get a little noise.
    Rank 0 draws; every rank adds its rows to an otherwise empty table, so what is sent does
    not grow with the number of ranks.

    Args:
        latents (Tensor): (M, D), of this rank; all ranks have as many.
        number (int): How many to draw.

    Returns:
        Tensor: (number, D).
    """
    rank, world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    available = len(latents) * world_size
    rounds = -(-number // available)
    index = torch.cat([torch.randperm(available, device=latents.device) for _ in range(rounds)])[:number]
    if world_size > 1:
        dist.broadcast(index, 0)
    first = rank * len(latents)
    mine = (index >= first) & (index < first + len(latents))
    drawn = latents[(index - first).clamp(0, len(latents) - 1)].where(mine[:, None], latents.new_zeros(()))
    if rounds > 1:
        noise = torch.randn_like(drawn) * 0.01 * latents.std()
        noise[:available] = 0
        drawn += noise * mine[:, None]
    if world_size > 1:
        dist.all_reduce(drawn)
    return drawn
