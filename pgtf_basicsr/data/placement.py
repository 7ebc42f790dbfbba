"""Random placement of faces in training: shift, zoom and rotation."""

from dataclasses import dataclass

from ..faces.transforms import move_about_centre
from .checks import require_number, require_range

__all__ = ['PlacementRanges']


@dataclass(frozen=True)
class PlacementRanges:
    """How far a face may lie from the aligned place.

    Attributes:
        offset: largest shift along x and along y, as a fraction of the picture's side.
        scale: range of the zoom.
        rotation: largest turn either way, in degrees.

    Raises:
        UserError: a value is outside of what it can be.
    """

    offset: float = 0.08
    scale: tuple = (0.85, 1.1)
    rotation: float = 10

    def __post_init__(self):
        require_number('placement', 'offset', self.offset, 0, 1)
        require_range('placement', 'scale', self.scale, 0.1, 10)
        require_number('placement', 'rotation', self.rotation, 0, 180)

    def draw(self, rng, size):
        """Random transform of a picture of ``size`` pixels from the generator ``rng``."""
        return move_about_centre(
            size,
            rng.uniform(*self.scale),
            rng.uniform(-self.rotation, self.rotation),
            size * rng.uniform(-self.offset, self.offset, 2),
        )
