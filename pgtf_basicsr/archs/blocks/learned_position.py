"""Position code that is learned, in place of that of face parsing."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ['LearnedPosition']


class LearnedPosition(nn.Module):
    """A learned vector for each token of a clip, or of a frame, as in CodeFormer (Zhou et al., 2022).

    Args:
        channels (int): Channels of the vectors.
        num_frames (int): Frames T of a clip; 1 gives the tokens of all frames the same vectors.
        size (int): Tokens on each side of a frame. Frames of other sizes get the vectors resized, bilinearly.
    """

    def __init__(self, channels: int, num_frames: int, size: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(num_frames, channels, size, size))
        nn.init.trunc_normal_(self.embedding, std=0.02)

    def forward(self, height: int, width: int) -> Tensor:
        """Return the vectors of frames of height x width tokens, (T, channels, height, width)."""
        if self.embedding.shape[2:] == (height, width):
            return self.embedding
        return F.interpolate(self.embedding, (height, width), mode='bilinear', align_corners=False)
