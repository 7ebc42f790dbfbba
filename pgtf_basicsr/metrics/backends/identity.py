"""Identity networks: embeddings of faces.

A backend has a ``label`` and a method ``embed(frame, landmarks)``, which takes a frame (H, W, 3) uint8 RGB and five
landmarks (5, 2) of the face in it, and returns a vector.
"""

import functools
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from facexlib.recognition.arcface_arch import Backbone

from ...devices import find_device
from ...faces import dlib_models
from ...faces.alignment import FFHQ_SIZE, align_face, align_to_template, face_template
from ...faces.transforms import compose, warp
from ...frame_cache import of_recent_frames
from ...network_files import Backend, Device, NetworkFile, load_backend, load_network, prepare_backend

__all__ = ['ArcFaceIdentity', 'DlibIdentity', 'Identity', 'identity_backend', 'prepare_identity']

Identity = Literal['arcface', 'dlib']

# Five landmarks of the 112-pixel images that face recognition networks are trained on.
ARCFACE_SIZE = 112
ARCFACE_TEMPLATE = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)


class ArcFaceIdentity:
    """ArcFace (Deng et al., CVPR 2019) with an IR-SE-50: vectors of 512 numbers and length 1.

    Args:
        weights (str | Path): facexlib's ``recognition_arcface_ir_se50.pth``.
        device (str): auto, cpu or cuda.
    """

    label = Backend('ArcFace IR-SE-50', True)
    source = NetworkFile(
        'recognition_arcface_ir_se50.pth',
        'https://github.com/xinntao/facexlib/releases/download/v0.1.0/recognition_arcface_ir_se50.pth',
    )

    def __init__(self, weights: str | Path, device: Device = 'auto') -> None:
        self._device = find_device(device)
        self._net = load_network(Backbone(50, 0.6, 'ir_se'), weights, device)

    @of_recent_frames(8)
    @torch.inference_mode()
    def embed(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Vector (512,) of the face at five landmarks (5, 2)."""
        to_input = compose(_arcface_from_ffhq(), align_to_template(landmarks, FFHQ_SIZE))
        face = torch.from_numpy(warp(frame, to_input, ARCFACE_SIZE)).to(self._device)
        image = face.permute(2, 0, 1).unsqueeze(0) / 127.5 - 1
        return self._net(image)[0].double().cpu().numpy()


class DlibIdentity:
    """dlib's face recognition network (a ResNet-29, 128 numbers), which needs no download."""

    label = Backend("dlib ResNet-29, not the paper's", False)
    source = dlib_models.InstalledModels('identity')

    @of_recent_frames(8)
    def embed(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """Vector (128,) of the face at five landmarks (5, 2)."""
        chip = dlib_models.face_chip(align_face(frame, landmarks)[0])
        return np.array(dlib_models.identity_network().compute_face_descriptor(chip))


KINDS = {'arcface': ArcFaceIdentity, 'dlib': DlibIdentity}


def identity_backend(
    identity: Identity = 'arcface',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    **options: Any,
) -> ArcFaceIdentity | DlibIdentity:
    """Load the backend that a metric's options name, once per process.

    Args:
        identity (str): ``arcface`` or ``dlib``.
        weights (str | None): File of ArcFace's network; None searches the usual places.
        device (str): auto, cpu or cuda, for ArcFace.
        download (bool): Whether ArcFace's file may be fetched.
        **options: Other options of the metric, which are ignored.

    Raises:
        UserError: The file is missing or wrong, or dlib is not installed.
    """
    return load_backend(KINDS[identity], weights, device, download)


def prepare_identity(
    identity: Identity = 'arcface',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    **options: Any,
) -> Backend:
    """Check that all that a backend needs is there, without loading it; arguments as in `identity_backend`.

    Returns:
        Backend: Its label.

    Raises:
        UserError: A file is missing, or a package.
    """
    return prepare_backend(KINDS[identity], weights, device, download)


@functools.cache
def _arcface_from_ffhq() -> np.ndarray:
    matrix, _ = cv2.estimateAffinePartial2D(face_template(FFHQ_SIZE), ARCFACE_TEMPLATE, method=cv2.LMEDS)
    return matrix
