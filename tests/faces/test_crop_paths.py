import math

import cv2
import numpy as np
import pytest

from pgtf_basicsr.data.placement import PlacementRanges
from pgtf_basicsr.faces.alignment import align_to_template, face_template
from pgtf_basicsr.faces.crop_paths import MAX_TILT, crop_paths
from pgtf_basicsr.faces.smoothing import smooth
from pgtf_basicsr.faces.squares import FaceSquare, face_square
from pgtf_basicsr.faces.transforms import transform_points

FRAMES = 200
TIMES = np.arange(FRAMES)


def with_gaps(detections):
    """Five of every 25 frames are missing."""
    return {number: square for number, square in detections.items() if number % 25 < 20 or number > FRAMES - 6}


def path_of(centres, size, noise, gaps=False, seed=0):
    rng = np.random.default_rng(seed)
    noisy = centres + rng.normal(0, noise, centres.shape)
    sizes = size + rng.normal(0, noise, len(centres))
    detections = {number: FaceSquare(*noisy[number], sizes[number], 0) for number in range(len(centres))}
    (path,) = crop_paths(with_gaps(detections) if gaps else detections, 0, len(centres) - 1, max_fill=8)
    return path


@pytest.mark.parametrize('gaps', [False, True])
@pytest.mark.parametrize('size', [100, 600])
def test_the_crop_of_a_still_face_stays_still(size, gaps):
    """Noise of 2 pixels on centre and size; the largest move of thirty clips counts."""
    still = np.tile([640.0, 360.0], (FRAMES, 1))
    paths = [path_of(still, size, 2, gaps, seed) for seed in range(30)]
    moves = [np.linalg.norm(np.diff(path.centres, axis=0), axis=1).max() for path in paths]
    assert max(moves) < 0.2
    assert max(np.abs(np.diff(path.sizes)).max() for path in paths) < 0.2
    assert max(np.abs(path.centres - still).max() for path in paths) < 2


MOTIONS = {
    'constant speed': TIMES.astype(float),
    'to and fro in eight seconds': 32 * np.sin(TIMES / 32),
    'to and fro in four seconds': 16 * np.sin(TIMES / 16),
    'to and fro in two seconds': 8 * np.sin(TIMES / 8),
    'to and fro in one second': 4 * np.sin(TIMES / 4),
    'starts and stops in half a second': np.cumsum(
        np.clip((TIMES - 60) / 12, 0, 1) - np.clip((TIMES - 140) / 12, 0, 1)
    ),
}


@pytest.mark.parametrize('gaps', [False, True])
@pytest.mark.parametrize('size, noise, clips', [(200, 0, 1), (200, 2, 20), (100, 2, 25), (50, 1, 25)])
@pytest.mark.parametrize('motion', MOTIONS)
def test_the_crop_of_a_moving_face_does_not_lag(motion, size, noise, clips, gaps):
    """At up to 5 % of the size a frame. The lag is the error that is left on average over some clips."""
    centres = np.stack([300 + 0.05 * size * MOTIONS[motion], np.full(FRAMES, 300)], axis=1)
    paths = [path_of(centres, size, noise, gaps, seed) for seed in range(clips)]
    lag = np.mean([path.centres for path in paths], axis=0) - centres
    assert np.abs(lag).max() < 0.02 * size


def test_the_crop_follows_to_the_last_frame():
    """A face that starts in the last three frames."""
    centres = np.stack([300 + 10 * np.clip(np.arange(40) - 36, 0, 3), np.full(40, 300)], axis=1)
    assert np.abs(path_of(centres, 200, 0).centres - centres).max() < 0.02 * 200


def test_a_gap_is_filled_and_a_long_one_ends_the_path():
    detections = {number: FaceSquare(100 + 3 * number, 80, 60, 0) for number in range(100)}
    for missing in (*range(20, 28), *range(50, 59)):
        del detections[missing]
    one, other = crop_paths(detections, 0, 99, max_fill=8)
    assert (one.first, one.last, other.first, other.last) == (0, 49, 59, 99)
    assert np.abs(one.centres - [(100 + 3 * number, 80) for number in range(50)]).max() < 0.1


@pytest.mark.parametrize('numbers, first, last', [([4], 4, 4), ([4, 5], 4, 5), ([4], 2, 7), ([4, 7], 2, 9)])
def test_a_track_of_one_or_two_detections_has_a_path(numbers, first, last):
    (path,) = crop_paths({number: FaceSquare(50 + number, 60, 40, 5) for number in numbers}, first, last, max_fill=8)
    assert (path.first, path.last) == (first, last)
    speed = 1 if len(numbers) > 1 else 0  # a single place is held, two are a line
    expected = [(50 + numbers[0] + speed * (number - numbers[0]), 60) for number in range(first, last + 1)]
    assert np.abs(path.centres - expected).max() < 1e-2 and np.allclose(path.sizes, 40) and np.allclose(path.angles, 5)


def test_one_wrong_detection_does_not_move_the_crop():
    detections = {number: FaceSquare(200, 150, 100, 0) for number in range(60)}
    detections[30] = FaceSquare(230, 150, 160, 90)
    (path,) = crop_paths(detections, 0, 59, max_fill=8)
    assert np.ptp(path.centres, axis=0).max() < 0.2 and np.ptp(path.sizes) < 0.2 and np.ptp(path.angles) < 0.2


def test_an_upright_face_is_cropped_as_it_is_aligned():
    landmarks = face_template(150) + (310, 95)
    path = still_path(face_square(landmarks))
    assert np.allclose(path.matrix(0, 512), align_to_template(landmarks, 512), atol=2e-2)


def test_crops_turn_beyond_the_tilt_of_training_only():
    assert PlacementRanges().rotation == MAX_TILT
    turn = cv2.getRotationMatrix2D((300, 200), -25, 1)  # clockwise as seen
    landmarks = transform_points(face_template(150) + (225, 125), turn)
    square = face_square(landmarks)
    assert square.angle == pytest.approx(25, abs=0.01) and square.size == pytest.approx(150, abs=0.01)
    for angle, left in ((25, 10), (-25, -10), (9, 9), (-3, -3)):
        matrix = still_path(FaceSquare(square.x, square.y, square.size, angle)).matrix(0, 256)
        eyes = face_template(150)[:2] + (225, 125)
        placed = transform_points(transform_points(eyes, cv2.getRotationMatrix2D((300, 200), -angle, 1)), matrix)
        tilt = math.degrees(math.atan2(*(placed[1] - placed[0])[::-1]))
        assert tilt == pytest.approx(left, abs=0.2)
        assert np.allclose(transform_points((square.x, square.y), matrix), 127.5)
    slow = {number: FaceSquare(300, 200, 150, number / 4) for number in range(160)}
    (path,) = crop_paths(slow, 0, 159, max_fill=8)
    assert np.abs(np.diff([path.turn(number) for number in range(160)])).max() < 0.3
    assert path.turn(30) == 0 and path.turn(150) == pytest.approx(27.5, abs=1.8)


def test_an_upside_down_face_turns_through_180_degrees():
    detections = {number: FaceSquare(300, 200, 150, (160 + number + 180) % 360 - 180) for number in range(40)}
    (path,) = crop_paths(detections, 0, 39, max_fill=8)
    assert np.abs(path.angles - (160 + np.arange(40))).max() < 2


def test_the_size_stays_when_a_face_turns_aside_or_nods():
    template = face_template(200) - face_template(200).mean(axis=0)
    sizes = [face_square(template * squeezed).size for squeezed in ((1, 1), (0.4, 1), (1, 0.7))]
    assert sizes == pytest.approx([200, 200, 200], abs=0.02)
    for bad in (np.zeros((5, 2)), np.full((5, 2), np.nan)):
        with pytest.raises(ValueError, match='do not determine'):
            face_square(bad)


def test_nothing_measured_is_refused():
    with pytest.raises(ValueError, match='no value'):
        smooth(np.full(5, np.nan), 1)


def still_path(square):
    (path,) = crop_paths({0: square}, 0, 0, max_fill=0)
    return path
