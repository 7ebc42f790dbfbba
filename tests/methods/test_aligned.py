"""The pipeline of methods for aligned faces: what it changes and what not, whose crops are restored, and its timing."""

import logging
from itertools import islice

import cv2
import numpy as np
import pytest
import torch
from facexlib.utils.face_restoration_helper import FaceRestoreHelper

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import FFHQ_SIZE, align_to_template, face_template
from pgtf_basicsr.faces.detection import Face
from pgtf_basicsr.faces.transforms import BORDER_RGB
from pgtf_basicsr.images import to_tensor
from pgtf_basicsr.methods.aligned import STEPS, AlignedPipeline, build_detector
from pgtf_basicsr.methods.face_places import CUT_DELAY, LONGEST_GAP, REACH, FacesOfFrame, smooth_faces
from pgtf_basicsr.methods.face_warping import align_crop, paste_square
from pgtf_basicsr.methods.method import Method, MethodNeeds
from pgtf_basicsr.samples.scenes import two_faces

WIDTH, HEIGHT, SIDE = 160, 120, 64


class Recorded(Method):
    """Yields what a function makes of each crop, and keeps the crops of every stream."""

    title = 'Recorded'

    def __init__(self, change=lambda crop: crop, size=SIDE, window=1):
        self.needs = MethodNeeds(window=window, is_aligned=True, size=size)
        self._change, self.streams = change, []

    def restore(self, frames):
        stream = []
        self.streams.append(stream)
        for frame in frames:
            stream.append(frame)
            if len(stream) > self.needs.window // 2:
                yield self._change(stream[-1 - self.needs.window // 2])
        for frame in stream[max(len(stream) - self.needs.window // 2, 0) :]:
            yield self._change(frame)


class KnownFaces:
    """Finds in each frame the landmarks (5, 2) that it is told."""

    min_score = 0.0

    def __init__(self, frames):
        self._frames = iter(frames)

    def detect(self, frame):
        return [Face(np.concatenate([five.min(axis=0), five.max(axis=0)]), 1.0, five) for five in next(self._frames)]


def face_at(x, y, side=40):
    return face_template(side) + (x, y)


def psnr(found, expected):
    return -10 * torch.log10((found - expected).square().mean()).item()


def noise(count=1, seed=0):
    """Frames whose pixels all differ."""
    return list(torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize('smoothing', ['none', 'shot'])
def test_an_identity_method_returns_the_input(smoothing):
    """Two faces and a cut, found by a real detector. Inside: where a method that changes all has any effect."""
    scene = two_faces(2)
    frames = [to_tensor(scene.frame(number)) for number in range(2)]
    frames += [frame.flip(-1) * 0.5 for frame in frames]
    same, inverted = (
        list(AlignedPipeline(Recorded(change, FFHQ_SIZE), build_detector('centerface'), smoothing).restore(frames))
        for change in (lambda crop: crop, lambda crop: 1 - crop.round())
    )
    assert len(same) == len(frames)
    for frame, out, changed in zip(frames, same, inverted):
        inside = (changed != frame).any(0)
        assert 0.2 < inside.float().mean() < 0.9
        assert torch.equal(out[:, ~inside], frame[:, ~inside])
        assert psnr(out[:, inside], frame[:, inside]) > 45


def test_all_faces_of_a_frame_are_restored_and_the_nearer_one_covers_the_other():
    (frame,) = noise()
    # The last one reaches beyond the frame, and is larger than the one beside it.
    faces = [face_at(5, 10), face_at(60, 60), face_at(90, 50, 80)]
    colours = iter([0.1, 0.5, 0.9])
    method = Recorded(lambda crop: torch.full_like(crop, next(colours)))
    (out,) = AlignedPipeline(method, KnownFaces([faces])).restore([frame])
    for landmarks, colour in zip(faces, (0.1, 0.5, 0.9)):
        x, y = landmarks.mean(axis=0).round().astype(int)
        assert out[:, y, x].tolist() == pytest.approx([colour] * 3, abs=1e-3)
    x, y = faces[2].mean(axis=0) - (25, 0)
    assert out[:, int(y), int(x)].mean() == pytest.approx(0.9, abs=0.02)
    assert len(method.streams) == 3 and all(len(stream) == 1 for stream in method.streams)


@pytest.mark.parametrize('scale', [0.4, 1, 2.3])
def test_warps_are_those_of_facexlib(scale):
    """Its helper interpolates lines and truncates to 8 bits; mask, places and border are the same."""
    y, x = np.mgrid[:240, :320]
    frame = np.stack([x * 255 / 319, y * 255 / 239, 128 + 100 * np.sin(x / 30)], -1).round().astype(np.uint8)
    landmarks = (face_template(FFHQ_SIZE) - 256) / scale @ np.array([[0.96, 0.28], [-0.28, 0.96]]) + (60.3, 130.8)
    helper = FaceRestoreHelper.__new__(FaceRestoreHelper)
    helper.upscale_factor, helper.face_size, helper.face_template = 1, (FFHQ_SIZE, FFHQ_SIZE), face_template(FFHQ_SIZE)
    helper.pad_blur = helper.use_parse = False
    helper.input_img, helper.all_landmarks_5 = frame, [landmarks]
    helper.affine_matrices, helper.inverse_affine_matrices, helper.cropped_faces = [], [], []
    helper.align_warp_face()
    helper.get_inverse_affine()
    matrix = align_to_template(landmarks, FFHQ_SIZE)
    image = frame.astype(np.float32) / 255
    crop = align_crop(image, matrix, FFHQ_SIZE)
    expected = helper.cropped_faces[0]
    away = np.all(expected == BORDER_RGB, axis=-1).astype(np.uint8)
    # At the border of the frame both interpolate, differently.
    clear = eroded(away, 61) | eroded(1 - away, 9)
    assert np.abs(crop * 255 - expected)[clear].max() < 2 and clear.mean() > 0.1
    helper.restored_faces = [255 - expected]
    paste_square(image, 1 - expected.astype(np.float32) / 255, matrix)
    inner = slice(12, -12)
    assert np.abs(image * 255 - helper.paste_faces_to_input_image())[inner, inner].max() < 3


def eroded(mask, side):
    return cv2.erode(mask, np.ones((side, side)), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def test_frames_without_a_face_pass_unchanged_and_are_said_once(caplog):
    frames = noise(4)
    pipeline = AlignedPipeline(Recorded(torch.zeros_like), KnownFaces([[], [face_at(60, 50)], [], []]))
    with caplog.at_level(logging.INFO, logger='basicsr'):
        out = list(pipeline.restore(frames))
    assert [torch.equal(*pair) for pair in zip(frames, out)] == [True, False, True, True]
    assert [record.message for record in caplog.records if 'face' in record.message] == [
        'No face was found in 3 of 4 frames; they are left as they are.'
    ]
    assert list(AlignedPipeline(Recorded(), KnownFaces([])).restore([])) == []


def test_landmarks_are_smoothed_within_shots_alone():
    """A face in the left half, and after the cut another one nearby, both still and found with noise."""
    rng = np.random.default_rng(0)
    length, cut = 40, 23
    truth = [face_at(50, 50) if number < cut else face_at(58, 44, 48) for number in range(length)]
    grounds = noise(1, seed=1) + [1 - noise(1, seed=2)[0] ** 3]
    frames = [grounds[number >= cut] for number in range(length)]
    found = [[five + rng.normal(0, 1, (5, 2))] for five in truth]
    errors = {}
    for smoothing in ('none', 'shot'):
        method = Recorded(window=3)
        pipeline = AlignedPipeline(method, KnownFaces(found), smoothing)
        places = [next(iter(faces.landmarks.values())) for faces in pipeline._places(frames)]
        errors[smoothing] = np.linalg.norm(np.subtract(places, truth), axis=-1).mean(axis=-1)
        steps = np.linalg.norm(np.diff(np.subtract(places, truth), axis=0), axis=-1).mean(axis=-1)
        assert (np.delete(steps, cut - 1).max() < 0.2) == (smoothing == 'shot')
        pipeline = AlignedPipeline(method, KnownFaces(found), smoothing)
        assert len(list(pipeline.restore(frames))) == length
        # Windows of three frames do not look across the cut either.
        assert [len(stream) for stream in method.streams] == [cut, length - cut]
    assert errors['shot'].max() < 0.9 < errors['none'].mean()


def test_gaps_are_filled_where_landmarks_are_smoothed():
    frames = [(noise()[0] + 0.001 * number).clamp(0, 1) for number in range(2 * LONGEST_GAP + 12)]
    found = [[face_at(50 + number, 50)] for number in range(len(frames))]
    # One as long as is filled, and one that is longer.
    empty = [*range(2, 2 + LONGEST_GAP), *range(4 + LONGEST_GAP, 5 + 2 * LONGEST_GAP)]
    for number in empty:
        found[number] = []
    for smoothing, missing in (('none', empty), ('shot', empty[LONGEST_GAP:])):
        pipeline = AlignedPipeline(Recorded(torch.zeros_like), KnownFaces(found), smoothing)
        same = [number for number, pair in enumerate(zip(frames, pipeline.restore(frames))) if torch.equal(*pair)]
        assert same == missing
    places = list(smooth_faces(FacesOfFrame(frame, dict(enumerate(faces))) for frame, faces in zip(frames, found)))
    for number in range(2, 2 + LONGEST_GAP):
        assert np.abs(places[number].landmarks[0] - face_at(50 + number, 50)).max() < 0.1


def test_each_face_is_a_stream_of_its_own_for_methods_that_look_at_neighbours():
    frames = noise(12)
    crossing = [[face_at(10 + 6 * number, 20), face_at(90 - 6 * number, 60, 44)] for number in range(12)]
    for number in (3, 7):
        crossing[number].reverse()
    method = Recorded(window=5)
    out = list(AlignedPipeline(method, KnownFaces(crossing)).restore(frames))
    assert len(out) == 12 and [len(stream) for stream in method.streams] == [12, 12]
    for number, frame in enumerate(frames):
        image = frame.movedim(0, -1).numpy()
        left, right = crossing[number][:: -1 if number in (3, 7) else 1]
        for stream, landmarks in zip(method.streams, (left, right)):
            expected = align_crop(image, align_to_template(landmarks, SIDE), SIDE)
            assert np.array_equal(stream[number].movedim(0, -1).numpy(), expected)


@pytest.mark.parametrize('smoothing, window, ahead', [('none', 1, 0), ('none', 3, CUT_DELAY + 1), ('shot', 3, 39)])
def test_streams_give_what_lists_give_and_read_little_ahead(smoothing, window, ahead):
    count = 48
    frames = [(noise()[0] + 0.001 * number).clamp(0, 1) for number in range(count)]
    rng = np.random.default_rng(0)
    found = [[face_at(*(50 + rng.normal(0, 2, 2))) for _ in range(number % 7 > 0)] for number in range(count)]
    pipelines = [
        AlignedPipeline(Recorded(lambda crop: 1 - crop, window=window), KnownFaces(found), smoothing) for _ in range(2)
    ]
    whole = list(pipelines[0].restore(frames))
    taken = []
    assert ahead <= REACH + CUT_DELAY + 1
    for number, image in enumerate(pipelines[1].restore(taken.append(0) or frame for frame in frames)):
        # A gap asks for a frame more.
        assert len(taken) <= min(number + 1 + ahead + (window > 1), count)
        assert torch.equal(image, whole[number])
    assert len(whole) == count


def test_an_enlarging_method_is_pasted_where_it_belongs():
    (frame,) = [to_tensor(two_faces(1).frame(0))]
    grown = torch.nn.Upsample(scale_factor=2, mode='bicubic', align_corners=False)
    method = Recorded(lambda crop: grown(crop[None])[0].clamp(0, 1), FFHQ_SIZE)
    (out,) = AlignedPipeline(method, build_detector('centerface')).restore([frame])
    assert not torch.equal(out, frame) and psnr(out, frame) > 45


def test_steps_are_timed_and_add_up():
    pipeline = AlignedPipeline(Recorded(), KnownFaces([[face_at(60, 50)]] * 4))
    assert pipeline.seconds == dict.fromkeys(STEPS, 0)
    list(pipeline.restore(noise(2)))
    first = pipeline.seconds
    assert list(first) == ['detection', 'warp', 'restoration', 'inverse warp'] and all(first.values())
    list(pipeline.restore(noise(2)))
    assert all(pipeline.seconds[step] > first[step] for step in STEPS)


def test_mistakes_are_reported():
    with pytest.raises(UserError, match='smoothing must be one of none, shot, not clip'):
        AlignedPipeline(Recorded(), KnownFaces([]), 'clip')

    class Short(Recorded):
        title = 'Short'

        def restore(self, frames):
            return islice(super().restore(frames), 1)

    with pytest.raises(ValueError, match='Short yields fewer frames than it gets'):
        list(AlignedPipeline(Short(), KnownFaces([[face_at(60, 50)]] * 2)).restore(noise(2)))
