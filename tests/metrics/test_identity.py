"""Deg and identity consistency on known rotations of vectors, and on real faces."""

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric
from facexlib.recognition.arcface_arch import Backbone

from pgtf_basicsr.faces.detection import find_landmarks
from pgtf_basicsr.metrics import (
    IdentityConsistency,
    IdentityDistance,
    calculate_deg,
    calculate_identity_consistency,
    embedding_angle,
)
from pgtf_basicsr.metrics.backends import identity_backend
from pgtf_basicsr.samples.portraits import portraits

from ..helpers.portraits import blurred, known_landmarks, moving_portrait


def rotated(degrees, size=512, seed=0):
    """A random vector, and it turned by so many degrees in a random plane."""
    first, other = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, 2)))[0].T
    angle = np.radians(degrees)
    return first, np.cos(angle) * first + np.sin(angle) * other


@pytest.mark.parametrize('degrees', [0, 1e-6, 0.3, 1, 45, 90, 135, 179.999, 180])
def test_angle_of_a_known_rotation(degrees):
    first, second = rotated(degrees)
    assert embedding_angle(3 * first, 0.2 * second) == pytest.approx(degrees, rel=1e-9, abs=1e-12)


def test_identical_vectors_have_no_angle():
    vector = np.random.default_rng(0).normal(size=128)
    assert embedding_angle(vector, vector) == 0


class Turning:
    """A backend that sees a face turned by as many degrees as the first pixel tells, and remembers where it looked."""

    def __init__(self):
        self.seen = []

    def embed(self, frame, landmarks):
        self.seen.append(landmarks)
        return rotated(float(frame[0, 0, 0]))[1]


def marked(*degrees):
    clip = moving_portrait()[0][: len(degrees)].copy()
    clip[:, 0, 0, 0] = degrees
    return clip


def test_mean_over_frames_with_small_angles():
    backend = Turning()
    distance = IdentityDistance(backend)
    for frames in zip(marked(10, 30, 50), marked(10, 31, 20)):
        distance.update(*frames)
    assert distance.compute() == pytest.approx((0 + 1 + 30) / 3)
    # Both faces are cut out where the real one is.
    assert all(np.array_equal(a, b) for a, b in zip(backend.seen[::2], backend.seen[1::2]))


def test_neighbouring_frames():
    consistency = IdentityConsistency(Turning())
    for frame in marked(10, 30, 30, 25):
        consistency.update(frame)
    assert consistency.compute() == pytest.approx((20 + 0 + 5) / 3)


def test_frames_without_a_face_are_skipped_and_reported(caplog):
    distance, consistency = IdentityDistance(Turning()), IdentityConsistency(Turning())
    restored, gt = marked(10, 10, 10), marked(20, 20, 30)
    gt[1], restored[1] = 0, 0
    for frames in zip(restored, gt):
        distance.update(*frames)
        consistency.update(frames[0])
    assert distance.compute() == pytest.approx((10 + 20) / 2)
    assert np.isnan(consistency.compute())
    assert 'Deg: no face was found 1 times, 2 values remain' in caplog.text
    assert 'ID consistency: no face was found 2 times' in caplog.text


def test_the_face_is_found():
    for face in portraits():
        assert np.abs(find_landmarks(face.photo) - face.landmarks).max() < 0.15 * np.ptp(face.landmarks)
    assert find_landmarks(np.zeros((64, 64, 3), np.uint8)) is None


@pytest.fixture(scope='module')
def arcface_file(tmp_path_factory):
    """A file as facexlib's, its weights drawn from a seed."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('arcface') / 'arcface.pth'
    torch.save(Backbone(50, 0.6, 'ir_se').state_dict(), path)
    return str(path)


def test_arcface_network_from_a_file(arcface_file):
    clip, _ = moving_portrait()
    backend = identity_backend('arcface', arcface_file, 'cpu')
    assert backend is identity_backend('arcface', arcface_file, 'cpu') and backend.label.of_paper
    seen = []
    hook = backend._net.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    vector = backend.embed(clip[0], known_landmarks()[0])
    hook.remove()
    assert vector.shape == (512,) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    # An upright face of 112 pixels in [-1, 1]: the eyes of the portrait are where face recognition expects them.
    (image,) = seen
    assert image.shape == (1, 3, 112, 112) and -1 <= image.min() < -0.5 and 0.5 < image.max() <= 1
    frame = ((image[0].permute(1, 2, 0).numpy() + 1) * 127.5).round().astype(np.uint8)
    eyes = find_landmarks(frame)[:2]
    assert np.abs(eyes - [(38.3, 51.7), (73.5, 51.5)]).max() < 5

    options = {'type': 'calculate_deg', 'weights': arcface_file, 'device': 'cpu', 'better': 'lower'}
    assert calculate_metric({'img': clip[:1], 'img2': clip[:1]}, options) == 0
    assert calculate_metric({'img': blurred(clip[:1], 2)[0], 'img2': clip[0]}, options) > 0
    assert calculate_identity_consistency(clip[[0, 0]], weights=arcface_file, device='cpu') == 0


def test_dlib_tells_persons_apart():
    pytest.importorskip('dlib', reason='extra offline-metrics')
    clip, _ = moving_portrait()
    backend = identity_backend('dlib')
    assert not backend.label.of_paper
    first, second, other = (
        backend.embed(frame, landmarks)
        for frame, landmarks in (
            (clip[0], known_landmarks()[0]),
            (clip[-1], known_landmarks()[-1]),
            (portraits()[1].photo, portraits()[1].landmarks),
        )
    )
    # Its authors take faces for the same person's at a distance of 0.6 or less.
    assert np.linalg.norm(first - second) < 0.4 and np.linalg.norm(first - other) > 0.6
    scores = [calculate_deg(blurred(clip[:1], sigma), clip[:1], identity='dlib') for sigma in (1, 3)]
    assert 0 < scores[0] < scores[1]
    assert calculate_deg(clip[0], clip[0], identity='dlib') == 0
