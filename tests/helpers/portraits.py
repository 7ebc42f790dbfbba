"""What metrics are tried on: portraits that move along a known path, and what is done to them."""

import functools

import cv2
import numpy as np

from pgtf_basicsr.samples.portraits import FacePath, portraits

SIZE = 192
FRAMES = 6


@functools.cache
def moving_portrait():
    """A clip (T, SIZE, SIZE, 3) uint8, and the path that its face takes."""
    face = portraits()[0]
    path = FacePath(face.landmarks, SIZE, np.random.default_rng(0))
    clip = np.stack([path.render(face.photo, time) for time in times()])
    clip.flags.writeable = False
    return clip, path


def times():
    return np.linspace(0, 0.25, FRAMES)


def known_landmarks():
    """Where the face of the moving portrait is: (T, 5, 2)."""
    _, path = moving_portrait()
    return np.array([path.landmarks_at(time) for time in times()])


def blurred(clip, sigma):
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in clip])


def noisy(clip, sigma):
    noise = np.random.default_rng(1).normal(0, sigma, clip.shape)
    return (clip + noise).clip(0, 255).round().astype(np.uint8)


def shifted(frame, x, y):
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return cv2.warpAffine(frame, matrix, frame.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def displaced(clip, radius):
    """All frames moved by the same vector."""
    return np.stack([shifted(frame, radius, 0) for frame in clip])


def jittering(clip, radius):
    """Each frame moved by a vector of the same length, in turn to all sides."""
    angles = np.arange(len(clip)) * 2.4
    return np.stack([shifted(frame, *(radius * np.cos(a), radius * np.sin(a))) for frame, a in zip(clip, angles)])
