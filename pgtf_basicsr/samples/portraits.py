"""Two public-domain portraits, and exactly known paths on which they move through a clip."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..faces.alignment import align_to_template
from ..faces.transforms import compose, move_about_centre, resize_matrix, transform_points
from ..images import read_image

__all__ = ['FacePath', 'Portrait', 'portraits']

# Share of a frame's side that the aligned face takes, so that there is room around it to move in.
_FACE_SHARE = 2 / 3


@dataclass(frozen=True)
class Portrait:
    """A portrait photograph.

    Attributes:
        name (str): Name of the person.
        photo (ndarray): (H, W, 3) uint8 RGB.
        landmarks (ndarray): (5, 2), marked by hand.
    """

    name: str
    photo: np.ndarray
    landmarks: np.ndarray


def portraits() -> list[Portrait]:
    """Read the two portraits: Eileen Collins (in scikit-image) and Grace Hopper (in Matplotlib), public domain."""
    # Nothing else needs these two, and the package is imported by every command.
    import matplotlib.cbook
    import skimage

    return [
        Portrait(
            'collins',
            read_image(Path(skimage.__file__).parent / 'data' / 'astronaut.png'),
            np.array([(203.4, 100.8), (246.8, 103.0), (225.0, 125.0), (205.2, 139.8), (243.3, 140.8)]),
        ),
        Portrait(
            'hopper',
            read_image(matplotlib.cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)),
            np.array([(223.0, 190.0), (307.0, 186.0), (268.0, 237.5), (231.3, 280.0), (307.0, 278.8)]),
        ),
    ]


class FacePath:
    """A smooth path of a portrait through a clip.

    Shift, rotation, logarithm of the zoom, and strength of the deformation are sums of two sines of time. The
    deformation moves the neighbourhood of the mouth up and down.

    Args:
        landmarks (ndarray): Five landmarks (5, 2) of the photograph.
        size (int): Side of the frames in pixels.
        rng (Generator): Source of all random choices.
        shift (float): Largest shift along x and y, as a fraction of the aligned face's side.
        rotation (float): Largest rotation either way, in degrees.
        zoom (float): Largest zoom; 1 / zoom is the smallest.
        deformation (float): Largest displacement of the mouth, as a fraction of the aligned face's side.
    """

    def __init__(
        self,
        landmarks: np.ndarray,
        size: int,
        rng: np.random.Generator,
        shift: float = 0.03,
        rotation: float = 3,
        zoom: float = 1.04,
        deformation: float = 0.02,
    ):
        self.size = size
        self.landmarks = landmarks
        face_size = size * _FACE_SHARE
        margin = (size - face_size) / 2
        to_middle = np.array([[1, 0, margin], [0, 1, margin]])
        self._rest = compose(to_middle, align_to_template(landmarks, face_size))
        photo_per_pixel = 1 / np.sqrt(np.linalg.det(self._rest[:, :2]))
        self._mouth = landmarks[3:].mean(axis=0)
        self._mouth_radius = 0.16 * face_size * photo_per_pixel
        self._swings = {
            'x': _Swing(rng, shift * face_size),
            'y': _Swing(rng, shift * face_size),
            'degrees': _Swing(rng, rotation),
            'log_zoom': _Swing(rng, np.log(zoom)),
            'mouth': _Swing(rng, deformation * face_size * photo_per_pixel),
        }

    def similarity(self, time: float) -> np.ndarray:
        """Transform (2, 3) from the photograph to the frame at ``time`` in [0, 1], without the deformation."""
        x, y, degrees, log_zoom = (self._swings[name](time) for name in ('x', 'y', 'degrees', 'log_zoom'))
        return compose(move_about_centre(self.size, np.exp(log_zoom), degrees, (x, y)), self._rest)

    def landmarks_at(self, time: float) -> np.ndarray:
        """Landmarks (5, 2) in the frame at ``time``."""
        return self.points_at(self.landmarks, time)

    def points_at(self, points: np.ndarray, time: float) -> np.ndarray:
        """Positions in the frame at ``time`` of points (N, 2) of the photograph."""
        # The frame shows at transform(q) the photograph's q + d(q), so a point p is where q + d(q) = p.
        resting = points
        for _ in range(12):
            resting = points - self._displacement(resting, time)
        return transform_points(resting, self.similarity(time))

    def render(self, photo: np.ndarray, time: float) -> np.ndarray:
        """Render the frame (size, size, 3) uint8 RGB at ``time``, at twice the size and averaged."""
        double = 2 * self.size
        to_photo = cv2.invertAffineTransform(compose(resize_matrix(2, 2), self.similarity(time)))
        shrink = max(int(np.sqrt(np.linalg.det(to_photo[:, :2]))), 1)
        height, width = photo.shape[:2]
        small = cv2.resize(photo, (width // shrink, height // shrink), interpolation=cv2.INTER_AREA)
        grid = np.stack(np.meshgrid(np.arange(double), np.arange(double)), axis=-1).astype(np.float32)
        points = transform_points(grid, to_photo.astype(np.float32))
        points += self._displacement(points, time)
        to_small = resize_matrix(small.shape[1] / width, small.shape[0] / height)
        points = transform_points(points, to_small).astype(np.float32)
        # OpenCV's types do not know that the second map may be None.
        frame = cv2.remap(small, points, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        return cv2.resize(frame, (self.size, self.size), interpolation=cv2.INTER_AREA)

    def _displacement(self, points: np.ndarray, time: float) -> np.ndarray:
        distance = np.square(points - self._mouth).sum(axis=-1) / self._mouth_radius**2
        up = self._swings['mouth'](time) * np.exp(-0.5 * distance)
        return np.stack([np.zeros_like(up), up], axis=-1)


class _Swing:
    """A smooth function of time in [0, 1] with values in [-amplitude, amplitude]."""

    def __init__(self, rng: np.random.Generator, amplitude: float):
        share = rng.uniform(0.3, 0.7)
        self._amplitudes = amplitude * np.array([share, 1 - share])
        self._cycles = rng.uniform([0.15, 0.4], [0.4, 0.8])
        self._phases = rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, time: float) -> float:
        return float(self._amplitudes @ np.sin(2 * np.pi * self._cycles * time + self._phases))
