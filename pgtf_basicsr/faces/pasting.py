"""Pasting of restored faces into a frame, in the planes of its own pixel format.

What is pasted is the difference between the network's output and its input, so that nothing is lost on the way to the
crop and back: an identity network leaves every sample as it was, and detail of the frame that is finer than the crop
stays. Were it the output itself, a face would come back from an identity network with a PSNR of 40 to 48 dB. The price
is that noise which sampling does not bring to the network stays: of that of single pixels about half, in faces larger
than the crop most; of the errors of H.264 less than a tenth (benchmarks/face_pasting.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..video.color import ycbcr_equation
from ..video.formats import VideoFormat
from .transforms import compose, crop_scale, transform_points

__all__ = ['RestoredCrop', 'paste_faces']

# Rows of planes G, B, R for columns of R, G, B.
GBR = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])


@dataclass(frozen=True)
class RestoredCrop:
    """A restored face and where it belongs.

    Attributes:
        matrix (ndarray): (2, 3) transform from pixels of the frame to pixels of the crop, see `transforms`.
        crop (ndarray): (size, size, 3) float32 RGB in [0, 1], the network's input.
        restored (ndarray): (size, size, 3) float32 RGB in [0, 1], its output, see also `match_colour`.
        mask (ndarray): (size, size) float32 in [0, 1], 0 at the edges, see `masks`.
    """

    matrix: np.ndarray
    crop: np.ndarray
    restored: np.ndarray
    mask: np.ndarray


def paste_faces(
    planes: Sequence[np.ndarray], format: VideoFormat, faces: Sequence[RestoredCrop], strength: float = 1.0
) -> None:
    """Paste restored faces into a frame. Samples where all masks are 0 are not touched.

    Where faces overlap, the larger one, which is nearer, covers the other: each is the change of the original.

    Args:
        planes (Sequence[ndarray]): Y, Cb and Cr, each (h, w) uint8 or uint16, or G, B and R. They are changed in place.
        format (VideoFormat): What their samples mean.
        faces (Sequence[RestoredCrop]): The faces, in any order.
        strength (float): How much of the change is pasted, from 0 to 1.
    """
    largest_last = sorted(faces, key=lambda face: crop_scale(face.matrix) / len(face.mask), reverse=True)
    # All are made before the first one is pasted, of the original samples.
    patches = [patch for face in largest_last for patch in _patches(planes, format, face, strength)]
    for patch in patches:
        patch.paste(2**format.depth - 1)


@dataclass(frozen=True)
class _Patch:
    """The part of a plane that a mask reaches.

    Attributes:
        samples (ndarray): (h, w), a view of the plane.
        restored (ndarray): (h, w) float32 in code values.
        mask (ndarray): (h, w) float32.
    """

    samples: np.ndarray
    restored: np.ndarray
    mask: np.ndarray

    def paste(self, largest: int) -> None:
        blended = self.samples + self.mask * (self.restored - self.samples)
        self.samples[:] = np.rint(blended).clip(0, largest)


def _patches(
    planes: Sequence[np.ndarray], format: VideoFormat, face: RestoredCrop, strength: float
) -> Iterator[_Patch]:
    changes = cv2.split(cv2.transform(face.restored - face.crop, strength * _change_matrix(format)))
    for plane, change in zip(planes, changes):
        matrix = compose(face.matrix, _to_frame(plane, planes[0], format))
        left, top, right, bottom = _reach(face.mask, matrix, plane.shape)
        if left >= right or top >= bottom:
            continue
        samples = plane[top:bottom, left:right]
        matrix = compose(matrix, np.array([[1, 0, left], [0, 1, top]]))
        change = _sample(_low_pass(change, matrix), matrix, samples.shape, cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE)
        mask = _sample(face.mask, matrix, samples.shape, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        yield _Patch(samples, samples + change, mask)


def _change_matrix(format: VideoFormat) -> np.ndarray:
    """Matrix (3, 3) by which a change of RGB in [0, 1] becomes that of the planes' code values."""
    if format.chroma == 'rgb':
        return GBR * float(2**format.depth - 1)
    matrix, _ = ycbcr_equation(format.color.matrix, format.depth, format.full_range)
    return matrix


def _to_frame(plane: np.ndarray, luma: np.ndarray, format: VideoFormat) -> np.ndarray:
    """Transform (2, 3) from pixels of a plane to pixels of the frame."""
    # A frame of odd size has one more sample than half of its pixels.
    down, across = (-(-pixels // samples) for pixels, samples in zip(luma.shape, plane.shape))
    x, y = format.chroma_location
    return np.array([[across, 0, (across - 1) * x], [0, down, (down - 1) * y]])


def _reach(mask: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of a plane of this shape that a mask reaches."""
    left, top, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    corners = np.array([(x, y) for x in (left - 1, left + width) for y in (top - 1, top + height)])
    placed = transform_points(corners, cv2.invertAffineTransform(matrix))
    first = np.floor(placed.min(axis=0)).clip(0, None).astype(int)
    end = np.ceil(placed.max(axis=0) + 1).clip(None, shape[::-1]).astype(int)
    return (*first.tolist(), *end.tolist())


def _low_pass(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Remove the detail of a crop that the plane cannot hold: a Lanczos filter, of one tap where nothing shrinks."""
    across, down = (_lanczos(float(shrinking)) for shrinking in np.hypot(*matrix[:, :2].T))
    return cv2.sepFilter2D(image, cv2.CV_32F, across, down, borderType=cv2.BORDER_REPLICATE)


def _lanczos(shrinking: float) -> np.ndarray:
    shrinking = max(shrinking, 1)
    reach = int(np.ceil(2 * shrinking)) - 1
    distance = np.arange(-reach, reach + 1) / shrinking
    taps = np.sinc(distance) * np.sinc(distance / 2)
    return taps / taps.sum()


def _sample(
    image: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...], interpolation: int, border: int
) -> np.ndarray:
    """Sample an image at the pixels of a plane's part, which the matrix takes to pixels of the image."""
    flags = interpolation | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, shape[::-1], flags=flags, borderMode=border)
