"""Placing a face in the picture: five landmarks, one similarity transform for a whole window.

Landmarks are (..., 5, 2) arrays of x, y in pixels: left eye, right eye, nose, left and right mouth corner,
left and right as seen in the picture.  Transforms are 2 x 3 matrices from input pixels to output pixels.
"""

import cv2
import numpy as np

# Mean FFHQ landmarks in a 512 x 512 picture.
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
BORDER_RGB = (135, 133, 132)
_MIRRORED = [1, 0, 2, 4, 3]


def face_template(size):
    """FFHQ landmarks, (5, 2), for a square picture of ``size`` pixels."""
    return FFHQ_TEMPLATE * (size / FFHQ_SIZE)


def align_to_template(landmarks, size):
    """Similarity transform from the face at ``landmarks`` (5, 2) to the FFHQ template of ``size`` pixels.

    Least median of squares, so that one misplaced landmark does not tilt the face.

    Raises:
        ValueError: the landmarks do not determine a transform (they coincide or are not finite).
    """
    landmarks = np.asarray(landmarks, dtype=np.float64)
    matrix = None
    if np.isfinite(landmarks).all() and np.ptp(landmarks, axis=0).max() > 0:
        matrix, _ = cv2.estimateAffinePartial2D(landmarks, face_template(size), method=cv2.LMEDS)
    if matrix is None:
        raise ValueError(f'landmarks {landmarks.tolist()} do not determine a similarity transform')
    return matrix


def centre_square(height, width, size):
    """Transform of the largest centred square of a ``height`` x ``width`` frame to ``size`` pixels."""
    scale = size / min(height, width)
    return np.array(
        [[scale, 0, (size - 1 - scale * (width - 1)) / 2], [0, scale, (size - 1 - scale * (height - 1)) / 2]]
    )


def resize_matrix(scale_x, scale_y):
    """Transform of a resize: pixels are areas, so that the corner (-0.5, -0.5) stays where it is."""
    return np.array([[scale_x, 0, (scale_x - 1) / 2], [0, scale_y, (scale_y - 1) / 2]])


def move_about_centre(size, scale, degrees, offset):
    """Transform that zooms and turns a picture of ``size`` pixels about its centre, then shifts it.

    ``degrees`` count counter-clockwise as seen, ``offset`` (x, y) is in pixels.
    """
    centre = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((centre, centre), degrees, scale)
    matrix[:, 2] += offset
    return matrix


def mirror_matrix(width):
    """Transform of a horizontal flip of a picture of ``width`` pixels."""
    return np.array([[-1.0, 0, width - 1], [0, 1, 0]])


def compose(outer, inner):
    """The transform that applies ``inner`` first, then ``outer``."""
    linear = outer[:, :2] @ inner[:, :2]
    offset = outer[:, :2] @ inner[:, 2] + outer[:, 2]
    return np.column_stack([linear, offset])


def transform_points(points, matrix):
    """Points (..., 2) after the transform."""
    return np.asarray(points) @ matrix[:, :2].T + matrix[:, 2]


def flip_landmarks(landmarks, width):
    """Landmarks (..., 5, 2) of the mirrored picture: left and right change names as well as places."""
    return transform_points(landmarks, mirror_matrix(width))[..., _MIRRORED, :]


def warp(frame, matrix, size):
    """Frame (H, W, 3) uint8 RGB as ``matrix`` places it in a (size, size, 3) picture.

    Outside of the frame is the FFHQ border colour.
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if scale < 1:
        # warpAffine samples without averaging: detail that the output cannot hold would alias.
        frame = cv2.GaussianBlur(frame, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1))
    return cv2.warpAffine(
        frame, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER_RGB
    )
