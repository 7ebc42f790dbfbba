"""dlib's models, which come with the packages of the extra ``offline-metrics``."""

import functools
import itertools
from typing import NamedTuple

import numpy as np

from ..errors import UserError
from ..weights import package_folder

__all__ = ['InstalledModels', 'face_chip', 'face_landmarks', 'identity_network']

# Where dlib's own face detector puts its box on a face that lies in the FFHQ template of 512 pixels.  The landmark
# model was trained on such boxes.
FACE_BOX = (95, 164, 405, 474)
# Pixels by which the box is moved along x and y, and by which its sides are moved inwards.  The trees jump by a pixel
# or two when a face moves by less; the mean over these boxes moves with it four times as smoothly.
BOX_SHIFTS = (-10, 0, 10)
BOX_INSETS = (-8, 0, 8)


class InstalledModels(NamedTuple):
    """Models that come with packages, in place of a file.

    Attributes:
        option (str): What asks for them, for the message.
    """

    option: str

    def find(self, weights=None, download=False):
        """Raise UserError where dlib or its models are not installed; there is no file to be named or fetched."""
        if package_folder('dlib') is None or package_folder('face_recognition_models') is None:
            raise UserError(f'{self.option}: dlib needs two packages more: pip install "pgtf-basicsr[offline-metrics]"')


def face_landmarks(face):
    """Landmarks (68, 2), in pixels, of a face (512, 512, 3) uint8 RGB in the FFHQ template."""
    import dlib

    found = []
    for x, y, inset in itertools.product(BOX_SHIFTS, BOX_SHIFTS, BOX_INSETS):
        box = np.add(FACE_BOX, (x + inset, y + inset, x - inset, y - inset)).tolist()
        shape = _shape_predictor()(face, dlib.rectangle(*box))
        found.append([(point.x, point.y) for point in shape.parts()])
    return np.mean(found, axis=0)


def face_chip(face):
    """The face (512, 512, 3) uint8 RGB as the identity network was trained: 150 pixels, a quarter of margin."""
    import dlib

    points = [dlib.point(round(x), round(y)) for x, y in face_landmarks(face).tolist()]
    return dlib.get_face_chip(face, dlib.full_object_detection(dlib.rectangle(*FACE_BOX), points), 150, 0.25)


@functools.cache
def identity_network():
    """dlib's face recognition network."""
    import dlib

    return dlib.face_recognition_model_v1(_model('dlib_face_recognition_resnet_model_v1.dat'))


@functools.cache
def _shape_predictor():
    import dlib

    return dlib.shape_predictor(_model('shape_predictor_68_face_landmarks.dat'))


def _model(name):
    # The package is not imported: all it does is to ask pkg_resources, which current setuptools lacks, for this path.
    return str(package_folder('face_recognition_models') / 'models' / name)
