"""What a network accepts as input: one description for checks, restoration and validation."""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

__all__ = ['InputRequirements']


@dataclass(frozen=True)
class InputRequirements:
    """Number and size of the frames that a network accepts.

    Attributes:
        num_frames (int): Frames T of a clip.
        multiple_of (int): Height and width are multiples of it; a latent spans as many pixels on each side.
        min_latents (int): Latents a frame has at least; AdaIN needs a variance. Default: 2.
    """

    num_frames: int
    multiple_of: int
    min_latents: int = 2

    @classmethod
    def of_levels(cls, num_levels: int, num_frames: int) -> 'InputRequirements':
        """Requirements of an autoencoder of that many levels, each half the size of the one before."""
        return cls(num_frames, 2 ** (num_levels - 1))

    @property
    def minimum(self) -> int:
        """Shortest side, in pixels, with which a frame of any shape is accepted."""
        return self.min_latents * self.multiple_of

    def accepts(self, height: int, width: int) -> bool:
        """Tell whether frames of this size, in pixels, are accepted."""
        fits = height % self.multiple_of == 0 and width % self.multiple_of == 0
        return fits and height * width >= self.min_latents * self.multiple_of**2

    def accepts_side(self, length: int) -> bool:
        """Tell whether frames whose shorter side is that long, in pixels, can be accepted whatever the other one."""
        return length % self.multiple_of == 0 and length >= self.minimum

    def nearest(self, length: float | Fraction) -> int:
        """Round the length of a side, in pixels, to the nearest multiple; half of it goes to the even one."""
        return round(length / self.multiple_of) * self.multiple_of

    def check_clip(self, clip: Tensor, name: str) -> None:
        """Raise a ValueError unless ``clip`` is (B, T, 3, H, W) and fits the network ``name``."""
        if clip.dim() != 5 or clip.shape[1] != self.num_frames or not self._accepts_frames(clip):
            raise ValueError(
                f'{name} cannot take a clip of shape {tuple(clip.shape)}: it takes '
                f'(B, {self.num_frames}, 3, H, W) {self._sizes()}'
            )

    def check_frame(self, frame: Tensor, name: str) -> None:
        """Raise a ValueError unless ``frame`` is (1, 3, H, W) and fits the network ``name``."""
        if frame.dim() != 4 or not self._accepts_frames(frame):
            raise ValueError(
                f'{name} cannot take a frame of shape {tuple(frame.shape)}: it takes (1, 3, H, W) {self._sizes()}'
            )

    def _accepts_frames(self, frames: Tensor) -> bool:
        channels, height, width = frames.shape[-3:]
        return channels == 3 and self.accepts(height, width)

    def _sizes(self) -> str:
        return f'with H and W multiples of {self.multiple_of} that make at least {self.min_latents} latents'
