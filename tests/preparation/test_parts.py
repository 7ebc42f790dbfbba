import os

import cv2
import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces import detection as face_module
from pgtf_basicsr.faces.detection import CenterFaceDetector, RetinaFaceDetector, choose_detector
from pgtf_basicsr.preparation.pieces import cut
from pgtf_basicsr.preparation.running import Failure, run_tasks
from pgtf_basicsr.preparation.splits import assign, identity_of, placed
from pgtf_basicsr.preparation.staging import ClipEncoder

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
    path = tmp_path / face_module.RETINAFACE_FILE
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
    # The same picture at the working size, where nothing is shrunk.
    small = cv2.resize(frame, (64, 48), interpolation=cv2.INTER_AREA)
    for face, other in zip(faces, detector.detect(small)):
        assert np.allclose(face.landmarks, (other.landmarks + 0.5) * 2.5 - 0.5, atol=1e-3)
    (tmp_path / 'text.pth').write_text('no weights')
    with pytest.raises(UserError, match='text.pth cannot be loaded'):
        RetinaFaceDetector(tmp_path / 'text.pth')


def test_identities_of_names():
    assert identity_of('Clip+-a_b+c+P0+C2+F1-9') == '-a_b+c'
    assert identity_of('Clip+x+P1+C0+F1-9+from00000005') == 'x'
    assert identity_of('tuesday+from00000005') == 'tuesday'


def test_splits_follow_from_names_and_hold_somebody_out():
    many = [f'person{index}' for index in range(500)]
    splits = assign(many, 0.1, seed=0)
    held_out = {identity for identity, split in splits.items() if split == 'val'}
    assert 25 < len(held_out) < 80
    assert splits.items() >= assign(many[:300], 0.1, seed=0).items()
    assert assign(many, 0.1, seed=1) != splits
    for share in (0.01, 0.99):
        assert sorted(assign(['a', 'b'], share, seed=0).values()) == ['train', 'val']
    assert all(assign([identity], 0.5, seed=0) == {identity: 'train'} for identity in many[:9])
    assert set(assign(many, 0, seed=0).values()) == {'train'}
    assert placed({'clip1': 'a', 'clip2': 'a'}, 0.1, seed=0) == {'clip1': 'train', 'clip2': 'val'}
    assert placed({'clip1': 'a'}, 0.1, seed=0) == {'clip1': 'train'}


def test_gaps_are_filled_up_to_a_length():
    def lost(first, last):
        return {number: None if first <= number <= last else np.full((5, 2), float(number)) for number in range(20)}

    pieces, notes = cut('clip', lost(8, 12), {}, min_length=4, max_gap=5)
    assert [(piece.name, len(piece), piece.interpolated) for piece in pieces] == [('clip', 20, 5)]
    assert np.allclose(pieces[0].landmarks[10], 10) and notes[0].reason.endswith('interpolated')
    pieces, notes = cut('clip', lost(8, 13), {}, min_length=4, max_gap=5)
    assert [(piece.name, piece.first, len(piece)) for piece in pieces] == [('clip', 0, 8), ('clip+from00000014', 14, 6)]
    pieces, _ = cut('clip', lost(0, 2), {}, min_length=4, max_gap=5)
    assert [(piece.first, piece.interpolated) for piece in pieces] == [(3, 0)]
    pieces, _ = cut('clip', lost(8, 9), {10: 'broken'}, min_length=4, max_gap=5)
    assert [(piece.first, len(piece)) for piece in pieces] == [(0, 8), (11, 9)]


def misbehave(task):
    if task == 'dies':
        os._exit(3)
    if task == 'raises':
        raise ValueError('no good')
    return task


def test_what_happens_to_one_task_stays_with_it():
    tasks = ['a', 'raises', 'b', 'dies', 'c', 'd', 'e', 'f', 'g']
    results = list(run_tasks(misbehave, tasks, 2, 'task'))
    assert results[1] == Failure('ValueError: no good')
    assert isinstance(results[3], Failure) and 'died' in results[3].reason
    assert [result for result in results if isinstance(result, str)] == ['a', 'b', 'c', 'd', 'e', 'f', 'g']


def test_bytes_of_a_clip_do_not_depend_on_what_was_in_memory(tmp_path, fill_new_memory):
    frames, _ = frames_of(1, length=6, size=160)
    results = set()
    for value in (0, 1, 85, 255):
        fill_new_memory(value)
        encoder = ClipEncoder(tmp_path / f'{value}.mp4', 25, 18, 160, 160)
        for frame in frames:
            encoder.write(frame)
        encoder.close()
        results.add((tmp_path / f'{value}.mp4').read_bytes())
    assert len(results) == 1
