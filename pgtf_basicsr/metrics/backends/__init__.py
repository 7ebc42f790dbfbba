"""Networks behind metrics: identity networks and video features; landmark detectors are in `faces.landmarks`.

Each is loaded once per process and arguments.  A backend's ``label`` is shown beside its numbers, because those of
another backend are not comparable with the paper's.
"""

from .identity import identity_backend, prepare_identity
from .video_features import prepare_video_features, video_feature_backend

__all__ = ['identity_backend', 'prepare_identity', 'prepare_video_features', 'video_feature_backend']
