"""dlib's models, which come with the packages of the extra ``offline-metrics``."""

import functools
import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import UserError
from ..network_files import package_folder

__all__ = ['InstalledModels', 'face_chip', 'face_landmarks', 'identity_network']

# The box that dlib's own face detector puts on a face aligned to the FFHQ template of 512 pixels. The landmark model
# was trained on such boxes.
FACE_BOX = (95, 164, 405, 474)
# Pixels by which the box is shifted along x and y, and by which its sides are moved inwards. The trees jump by a pixel
# or two when a face moves by less; the mean over these boxes follows it four times as smoothly.
BOX_SHIFTS = (-10, 0, 10)
BOX_INSETS = (-8, 0, 8)


class InstalledModels(NamedTuple):
    """Models that come with installed packages, in place of a file of weights.

    Attributes:
        option (str): Name of the option that asks for them, for the error message.
    """

    option: str

    def find(self, weights: str | None = None, download: bool = False) -> None:
        """Check that dlib and its models are installed. There is no file to name or to download.

        Raises:
            UserError: They are not installed.
        """
        if package_folder('dlib') is None or package_folder('face_recognition_models') is None:
            raise UserError(f'{self.option}: dlib needs two more packages: pip install "pgtf-basicsr[offline-metrics]"')


def face_landmarks(face: np.ndarray) -> np.ndarray:
    """Locate landmarks (68, 2), in pixels, of a face (512, 512, 3) uint8 RGB aligned to the FFHQ template."""
    import dlib

    found = []
    for x, y, inset in itertools.product(BOX_SHIFTS, BOX_SHIFTS, BOX_INSETS):
        box = np.add(FACE_BOX, (x + inset, y + inset, x - inset, y - inset)).tolist()
        shape = _shape_predictor()(face, dlib.rectangle(*box))
        found.append([(point.x, point.y) for point in shape.parts()])
    return np.mean(found, axis=0)


def face_chip(face: np.ndarray) -> np.ndarray:
    """Cut a face (512, 512, 3) uint8 RGB as the identity network was trained: 150 pixels, a quarter of margin."""
    import dlib

    points = [dlib.point(round(x), round(y)) for x, y in face_landmarks(face).tolist()]
    return dlib.get_face_chip(face, dlib.full_object_detection(dlib.rectangle(*FACE_BOX), points), 150, 0.25)


@functools.cache
def identity_network() -> Any:
    """Load dlib's face recognition network, once per process."""
    import dlib

    return dlib.face_recognition_model_v1(_model('dlib_face_recognition_resnet_model_v1.dat'))


@functools.cache
def _shape_predictor() -> Any:
    import dlib

    return dlib.shape_predictor(_model('shape_predictor_68_face_landmarks.dat'))


def _model(name: str) -> str:
    # The package is not imported: all it does is ask pkg_resources, which current setuptools lacks, for this path.
    return str(Path(package_folder('face_recognition_models') or '') / 'models' / name)
