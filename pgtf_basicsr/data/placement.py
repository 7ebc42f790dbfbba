"""Random placement of faces in training: shift, zoom and rotation."""

from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le
from pydantic import Field

from ..argument_types import Share
from ..config.value_types import Between
from ..faces.transforms import move_about_centre
from .ranges import Ranges

__all__ = ['PlacementRanges']


class PlacementRanges(Ranges):
    """How far a face may lie from its aligned place.

    Raises:
        UserError: A value is impossible.
    """

    section: ClassVar[str] = 'placement'

    offset: Share = Field(0.08, description="largest shift along x and along y, as a fraction of the image's side")
    scale: Annotated[tuple[float, float], Between(0.1, 10)] = Field((0.85, 1.1), description='range of the zoom')
    rotation: Annotated[float, Ge(0), Le(180)] = Field(10, description='largest turn either way, in degrees')

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw the transform (2, 3) of an image of ``size`` pixels from the generator ``rng``."""
        return move_about_centre(
            size,
            rng.uniform(*self.scale),
            rng.uniform(-self.rotation, self.rotation),
            size * rng.uniform(-self.offset, self.offset, 2),
        )
