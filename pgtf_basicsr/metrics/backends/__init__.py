"""Networks behind metrics: landmark finders, identity networks, video features.

Each is loaded once per process and arguments.  A backend's ``label`` is shown wherever its numbers are, because those
of another backend do not compare with the paper's.
"""

from ...faces.landmarks import landmark_backend, prepare_landmarks
from ...weights import Backend, Device, NetworkFile
from .identity import identity_backend, prepare_identity
from .video_features import prepare_video_features, video_feature_backend

__all__ = [
    'Backend',
    'Device',
    'NetworkFile',
    'identity_backend',
    'landmark_backend',
    'prepare_identity',
    'prepare_landmarks',
    'prepare_video_features',
    'video_feature_backend',
]
