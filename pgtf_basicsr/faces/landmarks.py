"""Facial landmarks of a frame, by three backends.

A backend has a ``label`` and a method ``locate(frame)``, which takes a frame (H, W, 3) uint8 RGB and returns landmarks
(N, 2), x and y in pixels of the frame, or None if it finds no face. Pixel centres are integers.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import cv2
import numpy as np
import torch
from facexlib.alignment import FAN

from ..devices import find_device
from ..frame_cache import of_recent_frames
from ..network_files import Backend, Device, NetworkFile, load_backend, load_network, prepare_backend
from . import dlib_models
from .alignment import align_face
from .detection import find_landmarks
from .transforms import resize_matrix, transform_points

__all__ = [
    'AwingLandmarks',
    'CenterFaceLandmarks',
    'DlibLandmarks',
    'LandmarkBackend',
    'Landmarks',
    'heatmap_peaks',
    'landmark_backend',
    'prepare_landmarks',
]

Landmarks = Literal['awing', 'dlib', 'centerface']


class LandmarkBackend(Protocol):
    """Interface of the backends.

    Attributes:
        label (Backend): Name, and whether it is the paper's.
    """

    label: ClassVar[Backend]

    def locate(self, frame: np.ndarray) -> np.ndarray | None:
        """Locate landmarks (N, 2) in pixels of a frame (H, W, 3) uint8 RGB; None if no face is found."""


class AwingLandmarks:
    """98 landmarks by the FAN trained with adaptive wing loss (Wang et al., ICCV 2019), the paper's.

    The whole frame is taken as the face, as it is in aligned frames.

    Args:
        weights (str | Path): facexlib's ``alignment_WFLW_4HG.pth``.
        device (str): auto, cpu or cuda.
    """

    label = Backend('AWING FAN, 98 landmarks', True)
    source = NetworkFile(
        'alignment_WFLW_4HG.pth', 'https://github.com/xinntao/facexlib/releases/download/v0.1.0/alignment_WFLW_4HG.pth'
    )
    # Sizes of the network's input and heat maps.
    INPUT, HEATMAP = 256, 64

    def __init__(self, weights: str | Path, device: str = 'auto'):
        self._device = find_device(device)
        self._net = load_network(FAN(num_modules=4, num_landmarks=98, device=self._device), weights, device)

    @of_recent_frames(8)
    @torch.inference_mode()
    def locate(self, frame: np.ndarray) -> np.ndarray:
        """Locate landmarks (98, 2) in pixels of the frame."""
        height, width = frame.shape[:2]
        small = cv2.resize(frame, (self.INPUT, self.INPUT))
        image = torch.from_numpy(small).to(self._device).permute(2, 0, 1).unsqueeze(0) / 255
        # The last heat map of the last stage is that of the face's outline.
        heatmaps = self._net(image)[0][-1][0, :-1]
        peaks = heatmap_peaks(heatmaps.double().cpu().numpy())
        return transform_points(peaks, resize_matrix(width / self.HEATMAP, height / self.HEATMAP))


class DlibLandmarks:
    """68 landmarks by dlib's regression trees (Kazemi and Sullivan, CVPR 2014), which need no download.

    They work on the face that CenterFace finds, aligned to the FFHQ template.
    """

    label = Backend("dlib, 68 landmarks, not the paper's", False)
    source = dlib_models.InstalledModels('landmarks')

    @of_recent_frames(8)
    def locate(self, frame: np.ndarray) -> np.ndarray | None:
        """Locate landmarks (68, 2) in pixels of the frame; None if no face is found."""
        five = find_landmarks(frame)
        if five is None:
            return None
        face, to_face = align_face(frame, five)
        return transform_points(dlib_models.face_landmarks(face), cv2.invertAffineTransform(to_face))


class CenterFaceLandmarks:
    """Five landmarks by CenterFace (Xu et al., 2019), always available: eyes, nose, corners of the mouth."""

    label = Backend("CenterFace, 5 landmarks, not the paper's", False)
    source = None

    def locate(self, frame: np.ndarray) -> np.ndarray | None:
        """Locate landmarks (5, 2) in pixels of the frame; None if no face is found."""
        return find_landmarks(frame)


KINDS = {'awing': AwingLandmarks, 'dlib': DlibLandmarks, 'centerface': CenterFaceLandmarks}


def landmark_backend(
    landmarks: Landmarks = 'awing',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    **options: Any,
) -> LandmarkBackend:
    """Load the backend that a metric's options name, once per process.

    Args:
        landmarks (str): ``awing``, ``dlib`` or ``centerface``.
        weights (str | None): File of awing's network; None looks in the usual places.
        device (str): auto, cpu or cuda, for awing.
        download (bool): Whether awing's file may be downloaded.
        **options: The metric's other options, which are ignored.

    Raises:
        UserError: The file is missing or wrong, or dlib is not installed.
    """
    return load_backend(KINDS[landmarks], weights, device, download)


def prepare_landmarks(
    landmarks: Landmarks = 'awing',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    **options: Any,
) -> Backend:
    """Check that all that a backend needs is available, without loading it. Arguments are those of `landmark_backend`.

    Returns:
        Backend: Its label.

    Raises:
        UserError: A file or a package is missing.
    """
    return prepare_backend(KINDS[landmarks], weights, device, download)


def heatmap_peaks(heatmaps: np.ndarray) -> np.ndarray:
    """Find the peak of each heat map, moved a quarter of a pixel towards the higher neighbour per axis.

    Args:
        heatmaps (ndarray): (N, H, W).

    Returns:
        ndarray: (N, 2) x and y in pixels of the heat maps. A peak at an edge is not moved across it.
    """
    count, height, width = heatmaps.shape
    y, x = np.divmod(heatmaps.reshape(count, -1).argmax(axis=1), width)
    padded = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode='edge')
    index = np.arange(count)
    right, left = padded[index, y + 1, x + 2], padded[index, y + 1, x]
    below, above = padded[index, y + 2, x + 1], padded[index, y, x + 1]
    towards_x = np.where((x > 0) & (x < width - 1), np.sign(right - left), 0)
    towards_y = np.where((y > 0) & (y < height - 1), np.sign(below - above), 0)
    return np.stack([x + towards_x / 4, y + towards_y / 4], axis=1)
