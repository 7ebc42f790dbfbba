"""Alignment of faces to the FFHQ template by five landmarks.

Landmarks are (..., 5, 2) arrays of x, y in pixels: left eye, right eye, nose, left and right mouth corner, left and
right as seen in the image.
"""

import cv2
import numpy as np

from .transforms import mirror_matrix, transform_points, warp

__all__ = ['FFHQ_SIZE', 'FFHQ_TEMPLATE', 'align_face', 'align_to_template', 'face_template', 'flip_landmarks']

# Mean FFHQ landmarks in an image of 512 x 512 pixels.
FFHQ_TEMPLATE = np.array(
    [
        (192.98138, 239.94708),
        (318.90277, 240.1936),
        (256.63416, 314.01935),
        (201.26117, 371.41043),
        (313.08905, 371.15118),
    ]
)
FFHQ_SIZE = 512
_MIRRORED = [1, 0, 2, 4, 3]


def face_template(size: float) -> np.ndarray:
    """FFHQ landmarks, (5, 2), for a square image of ``size`` pixels."""
    return FFHQ_TEMPLATE * (size / FFHQ_SIZE)


def align_to_template(landmarks: np.ndarray, size: float) -> np.ndarray:
    """Estimate the similarity transform from a face to the FFHQ template.

    By least median of squares, so that one misplaced landmark does not tilt the face.

    Args:
        landmarks (ndarray): (5, 2).
        size (float): Side of the template in pixels.

    Returns:
        ndarray: (2, 3), see `transforms`.

    Raises:
        ValueError: The landmarks do not determine a transform: they coincide or are not finite.
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    matrix = None
    if np.isfinite(landmarks).all() and np.ptp(landmarks, axis=0).max() > 0:
        matrix, _ = cv2.estimateAffinePartial2D(landmarks, face_template(size), method=cv2.LMEDS)
    if matrix is None:
        raise ValueError(f'landmarks {landmarks.tolist()} do not determine a similarity transform')
    return matrix


def align_face(frame: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Align a face to the FFHQ template of 512 pixels.

    Args:
        frame (ndarray): (H, W, 3) uint8 RGB.
        landmarks (ndarray): (5, 2) in pixels of the frame.

    Returns:
        tuple[ndarray, ndarray]: The face (512, 512, 3) uint8 RGB, and the transform (2, 3) from the frame to it.
    """
    matrix = align_to_template(landmarks, FFHQ_SIZE)
    return warp(frame, matrix, FFHQ_SIZE), matrix


def flip_landmarks(landmarks: np.ndarray, width: int) -> np.ndarray:
    """Landmarks (..., 5, 2) of the mirrored image of ``width`` pixels: left and right swap names as well as places."""
    return transform_points(landmarks, mirror_matrix(width))[..., _MIRRORED, :]
