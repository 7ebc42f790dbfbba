import cv2
import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import align_to_template
from pgtf_basicsr.faces.detection import RETINAFACE_FILE, CenterFaceDetector, RetinaFaceDetector, choose_detector
from pgtf_basicsr.faces.sharpness import FACE_WIDTH, blur, sharpness
from pgtf_basicsr.faces.squares import face_square
from pgtf_basicsr.faces.transforms import warp

from ..helpers.downloads import frames_of


def test_faces_are_found_small_large_and_at_the_edge():
    (frame,), (landmarks,) = frames_of(1, length=1, size=192)
    detector = CenterFaceDetector(longest_side=256)
    for scale, shift in ((1, (0, 0)), (0.5, (0, 0)), (3, (0, 0)), (1, (-45, -30)), (1, (45, 0))):
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], dtype=np.float64)
        side = round(192 * scale)
        moved = cv2.warpAffine(frame, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        face = detector.detect(moved)[0]
        expected = landmarks * scale + shift
        assert np.linalg.norm(face.landmarks - expected, axis=-1).mean() < 0.04 * side
        assert (face.box[:2] < expected.mean(axis=0)).all() and (face.box[2:] > expected.mean(axis=0)).all()
    assert detector.detect(np.full((64, 80, 3), 100, np.uint8)) == []


def test_retinaface_is_built_without_a_download(tmp_path, monkeypatch):
    """Random weights: shapes, and coordinates in pixels of the frame whatever the working size."""
    from facexlib.detection.retinaface import RetinaFace

    torch.manual_seed(0)
    state = RetinaFace(network_name='resnet50', device=torch.device('cpu')).state_dict()
    path = tmp_path / RETINAFACE_FILE
    torch.save({f'module.{name}': value for name, value in state.items()}, path)
    monkeypatch.chdir(tmp_path)
    assert choose_detector('auto').name == 'centerface'
    choice = choose_detector('auto', path)
    assert choice.name == 'retinaface'
    detector = choice.build(64)
    detector.min_score = 0.5
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    faces = detector.detect(frame)
    assert faces and all(face.landmarks.shape == (5, 2) and 0.5 <= face.score <= 1 for face in faces)
    # The same image at the working size, where nothing is shrunk.
    small = cv2.resize(frame, (64, 48), interpolation=cv2.INTER_AREA)
    for face, other in zip(faces, detector.detect(small)):
        assert np.allclose(face.landmarks, (other.landmarks + 0.5) * 2.5 - 0.5, atol=1e-3)
    (tmp_path / 'text.pth').write_text('no weights')
    with pytest.raises(UserError, match='^text.pth cannot be loaded'):
        RetinaFaceDetector('text.pth')


def test_missing_weights_are_reported_as_options_and_commands_can_mend_it(tmp_path, monkeypatch):
    """val.detector of an option file has no --detector-weights."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match='^the detector retinaface needs .* into weights/, .* choose centerface'):
        choose_detector('retinaface')


def test_sharpness_falls_with_blur():
    (frame,), (landmarks,) = frames_of(0, length=1, size=256)
    values = [sharpness(cv2.GaussianBlur(frame, (0, 0), sigma) if sigma else frame, landmarks) for sigma in (0, 1, 3)]
    assert values[0] > 2 * values[1] > 4 * values[2]


def test_blur_grows_with_blur_and_with_enlarging():
    (frame,), (landmarks,) = frames_of(0, length=1, size=256)
    matrix = align_to_template(landmarks, 512)
    blurred = [blur(warp(cv2.GaussianBlur(frame, (0, 0), sigma), matrix, 512)) for sigma in (0.4, 1, 3)]
    assert 0.2 < blurred[0] < blurred[1] - 0.03 < blurred[2] - 0.1 and blurred[2] < 1
    crop = warp(frame, matrix, 512)
    assert blur(crop.astype(np.float32) / 255) == pytest.approx(blur(crop), abs=0.01)
    smaller = align_to_template(landmarks / 4, 512)
    small = cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA)
    assert blur(warp(small, smaller, 512)) > blurred[1]


def test_a_face_is_half_as_wide_as_its_square():
    """From one temple to the other, which is about twice the distance of the eyes."""
    _, (landmarks,) = frames_of(0, length=1, size=256)
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    assert FACE_WIDTH * face_square(landmarks).size == pytest.approx(2 * eyes, rel=0.1)
