import numpy as np
import pytest

from pgtf_basicsr.data.placement import PlacementRanges
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import align_to_template, face_template, flip_landmarks
from pgtf_basicsr.faces.transforms import (
    BORDER_RGB,
    centre_square,
    compose,
    mirror_matrix,
    move_about_centre,
    resize_matrix,
    transform_points,
    warp,
)


def disc_image(centre, size=64, radius=6):
    """A white disc on the border's colour, so that the image's edge does not show."""
    y, x = np.mgrid[:size, :size]
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    return np.where(inside[..., None], 255, BORDER_RGB).astype(np.uint8)


def disc_centre(image):
    weights = np.clip(image[..., 0].astype(float) - BORDER_RGB[0], 0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


def test_template_scales_with_the_image():
    assert np.allclose(face_template(512)[0], (192.98138, 239.94708))
    assert np.allclose(face_template(128) * 4, face_template(512))


def test_a_known_similarity_is_recovered():
    angle, scale, shift = 0.3, 1.7, (12, -5)
    away = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), shift[0]],
            [scale * np.sin(angle), scale * np.cos(angle), shift[1]],
        ]
    )
    landmarks = transform_points(face_template(256), away)
    assert np.allclose(compose(align_to_template(landmarks, 256), away), np.eye(2, 3), atol=1e-3)


def test_one_misplaced_landmark_does_not_move_the_face():
    landmarks = face_template(256)
    landmarks[2] += 60
    assert np.allclose(align_to_template(landmarks, 256), np.eye(2, 3), atol=1e-3)


@pytest.mark.parametrize('landmarks', [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_landmarks_that_fix_nothing_are_an_error(landmarks):
    with pytest.raises(ValueError, match='do not determine'):
        align_to_template(landmarks, 64)


def test_flip_mirrors_places_and_swaps_left_and_right():
    landmarks = face_template(64)
    flipped = flip_landmarks(landmarks, 64)
    assert np.allclose(flipped[0], (63 - landmarks[1, 0], landmarks[1, 1]))
    assert np.allclose(flipped[4], (63 - landmarks[3, 0], landmarks[3, 1]))
    assert flipped[0, 0] < flipped[1, 0] and flipped[3, 0] < flipped[4, 0]
    assert np.allclose(flip_landmarks(flipped, 64), landmarks)


def test_mirror_matrix_flips_pixels_exactly():
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(warp(frame, mirror_matrix(32), 32), frame[:, ::-1])


def test_identity_changes_nothing_and_the_outside_has_the_border_colour():
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    shifted = warp(frame, np.array([[1.0, 0, 8], [0, 1, 0]]), 32)
    assert np.array_equal(warp(frame, np.eye(2, 3), 32), frame)
    assert np.array_equal(shifted[:, 8:], frame[:, :-8])
    assert (shifted[:, :8] == BORDER_RGB).all()


@pytest.mark.parametrize(
    'matrix, size',
    [
        (move_about_centre(64, 1.1, 15, (3, -4)), 64),
        (compose(mirror_matrix(64), move_about_centre(64, 0.8, -20, (0, 5))), 64),
        (centre_square(64, 64, 20), 20),
    ],
)
def test_pixels_and_points_move_together(matrix, size):
    image = disc_image((28.3, 35.6))
    expected = transform_points(disc_centre(image), matrix)
    assert np.allclose(disc_centre(warp(image, matrix, size)), expected, atol=0.1)


def test_shrinking_averages():
    checkers = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = warp(np.repeat(checkers[..., None], 3, axis=2), centre_square(64, 64, 16), 16)
    assert np.abs(small[2:-2, 2:-2].astype(float) - 127.5).max() < 8


def test_centre_square_keeps_the_middle():
    matrix = centre_square(40, 100, 20)
    assert np.allclose(transform_points([(49.5, 19.5)], matrix), [(9.5, 9.5)])
    assert np.allclose(transform_points([(29.5, -0.5)], matrix), [(-0.5, -0.5)])
    assert np.allclose(transform_points([(-0.5, -0.5)], resize_matrix(2, 3)), [(-0.5, -0.5)])


def test_placement_draws_stay_in_their_ranges():
    ranges = PlacementRanges(offset=0.1, scale=(0.9, 1.2), rotation=5)
    rng = np.random.default_rng(0)
    for _ in range(100):
        matrix = ranges.draw(rng, 65)
        scale = np.sqrt(np.linalg.det(matrix[:, :2]))
        assert 0.9 <= scale <= 1.2
        assert abs(np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0]))) <= 5
        assert np.abs(transform_points((32, 32), matrix) - 32).max() <= 6.5


def test_impossible_placement_is_named():
    with pytest.raises(UserError, match='placement: scale'):
        PlacementRanges(scale=(1.2, 0.8))
