import cv2
import numpy as np
import pytest

from pgtf_basicsr.faces.crop_paths import CropPath
from pgtf_basicsr.faces.sampling import sample_crop
from pgtf_basicsr.faces.transforms import transform_points

HEIGHT, WIDTH = 120, 160


def waves(x, y):
    return 128 + 60 * np.sin(x / 9 + 0.3) * np.cos(y / 7)


def reflected(places, length):
    """Where in an image of this length a place outside of it is reflected from."""
    places = np.mod(places + 0.5, 2 * length)
    return np.where(places > length, 2 * length - places, places) - 0.5


def matrix_of(x, y, side, angle, size):
    path = CropPath(0, np.array([[x, y]], float), np.array([side], float), np.array([angle], float))
    return path.matrix(0, size)


@pytest.mark.parametrize('dtype, scale, error', [('uint8', 1, 1.5), ('uint16', 257, 0.8), ('float32', 1, 0.8)])
@pytest.mark.parametrize(
    'x, y, side, angle, size',
    [
        (80.37, 60.61, 50, 0, 128),  # enlarged, at fractions of pixels
        (80.37, 60.61, 60, 35, 64),  # turned
        (79.5, 60.2, 64, 0, 64),
        (8, 5, 60, 0, 64),  # across a corner
        (150, 110, 60, 30, 96),
        (-10, 60, 40, 0, 64),  # the face's centre is outside
        (170, 125, 40, 0, 64),
        (80, 60, 300, 0, 256),  # larger than the image
    ],
)
def test_a_crop_shows_what_is_there(x, y, side, angle, size, dtype, scale, error):
    """Against the function that the image samples."""
    image_x, image_y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    image = np.repeat(waves(image_x, image_y)[..., np.newaxis], 3, axis=2) * scale
    image = (image if dtype == 'float32' else np.rint(image)).astype(dtype)
    matrix = matrix_of(x, y, side, angle, size)
    crop = sample_crop(image, matrix, size)
    assert crop.dtype == image.dtype and crop.shape == (size, size, 3)
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
    places = transform_points(grid, cv2.invertAffineTransform(matrix))
    inside = ((places > 1) & (places < (WIDTH - 2, HEIGHT - 2))).all(axis=-1)
    off = np.abs(crop[..., 0] / scale - waves(reflected(places[..., 0], WIDTH), reflected(places[..., 1], HEIGHT)))
    tolerance = error * max(1, side / size) ** 2  # the low-pass takes some of the waves
    assert off[inside].max() < tolerance
    assert off.max() < tolerance + 4  # a reflection has an edge


def test_a_shrunk_crop_does_not_alias():
    """Stripes that the crop cannot hold come out grey; those that it holds stay."""
    x = np.tile(np.arange(400), (300, 1))
    matrix = matrix_of(200, 150, 240, 0, 80)
    contrast = {}
    for frequency in (0.03, 0.28, 0.4):
        stripes = (128 + 100 * np.sin(2 * np.pi * frequency * x)).astype(np.float32)
        contrast[frequency] = sample_crop(np.dstack([stripes] * 3), matrix, 80).std() / stripes.std()
    assert contrast[0.03] > 0.9 and contrast[0.28] < 0.05 and contrast[0.4] < 0.01


def test_a_still_crop_of_a_moving_face_is_the_same_image():
    """A face that moves by fractions of pixels, its crop with it, looks the same but for interpolation."""
    crops = []
    for shift in (0, 0.13, 0.5, 0.77):
        x, y = np.meshgrid(np.arange(WIDTH) - shift, np.arange(HEIGHT) - shift)
        image = np.dstack([waves(x, y).astype(np.float32)] * 3)
        crops.append(sample_crop(image, matrix_of(80 + shift, 60 + shift, 50, 0, 128), 128))
    assert max(np.abs(crop - crops[0]).max() for crop in crops) < 1
