"""Whether the restored face is the same person's (Deg), and whether it stays so from frame to frame."""

import math
from typing import Any

import numpy as np
from basicsr.utils.registry import METRIC_REGISTRY

from ..config.metric_specification import ChannelOrder, MetricSpecification, specified_by
from ..faces.detection import find_landmarks
from ..network_files import Device
from .accumulators import FaceMean, score_clip
from .backends.identity import Identity, identity_backend, prepare_identity
from .unknown_options import refuse_unknown_options

__all__ = [
    'IdentityConsistency',
    'IdentityDistance',
    'calculate_deg',
    'calculate_identity_consistency',
    'embedding_angle',
]


def embedding_angle(first: np.ndarray, second: np.ndarray) -> float:
    """Deg: angle between two vectors in degrees, from 0 to 180, lower is better.

    It is arccos of the cosine, computed so that it is exact near 0 and 180 as well, where arccos is not.

    Args:
        first, second (ndarray): (D,), of any length but 0.
    """
    first, second = (vector / np.linalg.norm(vector) for vector in (first, second))
    return math.degrees(2 * math.atan2(np.linalg.norm(first - second), np.linalg.norm(first + second)))


class IdentityDistance(FaceMean):
    """Accumulates `embedding_angle` of restored and real face in degrees, the mean over frames.

    Both faces are cut out where the real face is: what is restored beyond recognition is still compared, and with
    ArcFace a misplaced face costs as well.  Pairs of a small angle count in the mean.

    Args:
        backend: Network that embeds faces, see ``metrics.backends``.
    """

    title = 'Deg'

    def find(self, *frames: np.ndarray) -> list[np.ndarray] | None:
        """Vectors of the restored and the real face; None where the real clip has no face."""
        landmarks = find_landmarks(frames[1])
        return None if landmarks is None else [self.backend.embed(frame, landmarks) for frame in frames]

    def measure(self, *found: list[np.ndarray]) -> float:
        """Degrees between the two faces of a frame."""
        return embedding_angle(*found[0])


class IdentityConsistency(FaceMean):
    """Accumulates `embedding_angle` of neighbouring frames of a clip in degrees; pairs without a face are skipped.

    Args:
        backend: Network that embeds faces, see ``metrics.backends``.
    """

    title, min_frames = 'ID consistency', 2

    def find(self, *frames: np.ndarray) -> np.ndarray | None:
        """Vector of the restored face; None where there is none."""
        (restored,) = frames
        landmarks = find_landmarks(restored)
        return None if landmarks is None else self.backend.embed(restored, landmarks)

    def measure(self, *found: np.ndarray) -> float:
        """Degrees between two frames."""
        return embedding_angle(*found)


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title=IdentityDistance.title,
        unit='°',
        better='lower',
        min_frames=IdentityDistance.min_frames,
        label=prepare_identity,
        accumulator=lambda **options: IdentityDistance(identity_backend(**options)),
    )
)
def calculate_deg(
    img: np.ndarray,
    img2: np.ndarray,
    identity: Identity = 'arcface',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """Deg, the angle between the identities of restored and real face in degrees, lower is better.

    See `embedding_angle` and `IdentityDistance`.

    Args:
        img, img2 (ndarray): Restored and real clip (T, H, W, 3) or frame (H, W, 3), uint8.
        identity (str): arcface (the paper's) or dlib (no download, an extra). The numbers of one do not compare with
            those of the other.
        weights (str | None): facexlib's ``recognition_arcface_ir_se50.pth`` for arcface; by default
            ``weights/``, facexlib's folder and the torch hub cache are searched.
        device (str): Where arcface runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: Degrees; frames without a face are skipped and logged, nan if none remains.

    Raises:
        ValueError: Shapes differ.
        UserError: A file is missing or wrong, or dlib is not installed.
    """
    refuse_unknown_options(calculate_deg, kwargs)
    backend = identity_backend(identity, weights, device, download)
    return score_clip(IdentityDistance(backend), img, img2, channel_order)


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title=IdentityConsistency.title,
        unit='°',
        better='lower',
        min_frames=IdentityConsistency.min_frames,
        label=prepare_identity,
        accumulator=lambda **options: IdentityConsistency(identity_backend(**options)),
    )
)
def calculate_identity_consistency(
    img: np.ndarray,
    identity: Identity = 'arcface',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """Mean angle between the identities of neighbouring frames in degrees, without ground truth, lower is better.

    It measures what VIDD measures, how far identity drifts from frame to frame; the formula is our own.  A still clip
    has 0, and so has a clip that shows the wrong person all the time.

    Args:
        img (ndarray): Restored clip (T, H, W, 3), uint8, T of 2 or more.
        identity (str): arcface or dlib, as for Deg.
        weights (str | None): facexlib's ``recognition_arcface_ir_se50.pth`` for arcface, as for Deg.
        device (str): Where arcface runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: Degrees; pairs without a face are skipped and logged, nan if none remains.

    Raises:
        ValueError: There is a single frame.
        UserError: A file is missing or wrong, or dlib is not installed.
    """
    refuse_unknown_options(calculate_identity_consistency, kwargs)
    backend = identity_backend(identity, weights, device, download)
    return score_clip(IdentityConsistency(backend), img, channel_order=channel_order)
