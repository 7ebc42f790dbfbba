"""Paste-back, compared with what the samples of the planes must be by the equations of ITU-T H.273."""

import io

import av
import cv2
import numpy as np
import pytest

from pgtf_basicsr.faces.colour_matching import match_colour
from pgtf_basicsr.faces.masks import ellipse_mask, parsing_mask
from pgtf_basicsr.faces.pasting import RestoredCrop, paste_faces
from pgtf_basicsr.faces.transforms import compose, crop_scale, move_about_centre, transform_points
from pgtf_basicsr.samples.portraits import portraits
from pgtf_basicsr.video.chroma import LOCATIONS
from pgtf_basicsr.video.color import to_rgb
from pgtf_basicsr.video.formats import Color, VideoFormat
from pgtf_basicsr.video.layouts import plane_samples
from pgtf_basicsr.video.planes import to_planes

SIZE = 192
LEFT, TOP_LEFT, CENTER = (LOCATIONS[name] for name in ('left', 'topleft', 'center'))
BT601, BT2020 = Color(6, 6, 6), Color(9, 9, 14)
FORMATS = [
    VideoFormat(8, '420', chroma_location=LEFT),
    VideoFormat(8, '420', full_range=True, color=BT601, chroma_location=CENTER),
    VideoFormat(8, '422', chroma_location=LEFT),
    VideoFormat(8, '444', full_range=True),
    VideoFormat(10, '420', color=BT2020, chroma_location=TOP_LEFT),
    VideoFormat(10, '422', color=BT601, chroma_location=LEFT),
    VideoFormat(10, '444', full_range=True),
    VideoFormat(12, 'rgb'),
]
# Luma from red, green and blue, in BT.709, BT.601 and BT.2020.
LUMA = {1: (0.2126, 0.7152, 0.0722), 6: (0.299, 0.587, 0.114), 9: (0.2627, 0.678, 0.0593)}


def names(format):
    return f'{format.pixel_format}-{"full" if format.full_range else "limited"}'


def crop_matrix(x, y, side, degrees=0.0, size=SIZE):
    """From the frame to a crop around a point, `side` pixels of the frame wide."""
    scale = size / side
    middle = (size - 1) / 2
    to_crop = np.array([[scale, 0, middle - scale * x], [0, scale, middle - scale * y]])
    return compose(move_about_centre(size, 1, degrees, (0, 0)), to_crop)


def crop_of(image, matrix, size=SIZE):
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def ellipse(matrix, size=SIZE):
    return ellipse_mask(size, crop_scale(matrix))


def portrait(width=320, height=240):
    return cv2.resize(portraits()[1].photo[100:400, 66:466], (width, height), interpolation=cv2.INTER_AREA)


def planes_of(frame, format):
    return [plane_samples(plane, format.depth).copy() for plane in frame.planes]


def sampled(function, format, width=320, height=240):
    """Planes (float64, code values) of an image that is a function of x and y, RGB in [0, 1]."""
    y, x = np.mgrid[:height, :width].astype(float)
    largest, step = 2**format.depth - 1, 2 ** (format.depth - 8)
    if format.chroma == 'rgb':
        red, green, blue = np.moveaxis(function(x, y), -1, 0) * largest
        return [green, blue, red]
    luma = np.array(LUMA[format.color.matrix])
    across, down = {'420': (2, 2), '422': (2, 1), '444': (1, 1)}[format.chroma]
    location_x, location_y = format.chroma_location
    at_chroma = x[::down, ::across] + (across > 1) * location_x, y[::down, ::across] + (down > 1) * location_y
    planes = []
    for (at_x, at_y), subtract, divide in (
        ((x, y), None, 1),
        (at_chroma, 2, 2 * (1 - luma[2])),
        (at_chroma, 0, 2 * (1 - luma[0])),
    ):
        rgb = function(at_x, at_y)
        if subtract is None:
            value = rgb @ luma
            planes.append(value * largest if format.full_range else step * (16 + 219 * value))
        else:
            value = (rgb[..., subtract] - rgb @ luma) / divide
            planes.append((value * largest if format.full_range else 224 * step * value) + 128 * step)
    return planes


def rounded(planes, format):
    return [np.rint(plane).astype(np.uint8 if format.depth == 8 else np.uint16) for plane in planes]


def reached(face, plane, format):
    """Which samples of a plane a mask reaches, and which it covers, by their coordinates: two arrays (h, w) of bool."""
    height, width = plane.shape
    y, x = np.mgrid[:height, :width].astype(float)
    if width < 320:
        x = 2 * x + format.chroma_location.x
    if height < 240:
        y = 2 * y + format.chroma_location.y
    near = np.floor(transform_points(np.stack([x, y], axis=-1), face.matrix)).astype(int)
    padded = np.pad(face.mask, 1)
    places = [(near + corner + 1).clip(0, len(padded) - 1) for corner in ((0, 0), (1, 0), (0, 1), (1, 1))]
    values = np.stack([padded[place[..., 1], place[..., 0]] for place in places])
    return values.max(axis=0) > 0, values.min(axis=0) == 1


@pytest.mark.parametrize('format', FORMATS, ids=names)
def test_an_identity_network_changes_no_sample(format):
    portrayed = to_planes(portrait(), format)
    planes, image = portrayed.samples, portrayed.to_rgb()
    # Code values that are no colour, as decoders give them.
    planes[0][100:120, 100:120] = np.arange(20) * (2**format.depth - 1) // 19
    before = [plane.copy() for plane in planes]
    image = image.astype(np.float32) / np.iinfo(image.dtype).max
    for index in range(6):
        matrix = crop_matrix(150 + 5.3 * index, 120.4 - 3.7 * index, 90 + 40 * index, 4 * index)
        crop = crop_of(image, matrix)
        restored = match_colour(crop, crop, ellipse(matrix))
        paste_faces(planes, format, [RestoredCrop(matrix, crop, restored, ellipse(matrix))])
        assert all(np.array_equal(plane, old) for plane, old in zip(planes, before))


@pytest.mark.parametrize('codec, pixel_format, depth', [('ffv1', 'yuv420p10le', 10), ('libx264', 'yuv420p', 8)])
def test_an_identity_network_changes_nothing_from_file_to_file(codec, pixel_format, depth):
    def write(frames):
        file = io.BytesIO()
        with av.open(file, 'w', 'matroska') as container:
            stream = container.add_stream(codec, rate=25, options={'qp': '0'} if codec == 'libx264' else {})
            stream.width, stream.height, stream.pix_fmt = 320, 240, pixel_format
            for planes in frames:
                frame = av.VideoFrame(320, 240, pixel_format)
                for plane, samples in zip(frame.planes, planes):
                    plane_samples(plane, depth)[:] = samples
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        file.seek(0)
        return file

    def read(file):
        with av.open(file) as container:
            return list(container.decode(video=0))

    format = VideoFormat(depth, '420', chroma_location=LEFT)
    moving = [np.roll(portrait(), 3 * index, axis=1) for index in range(5)]
    decoded = read(write(to_planes(image, format).samples for image in moving))
    pasted = []
    for index, frame in enumerate(decoded):
        planes = planes_of(frame, format)
        image = to_rgb(frame)
        matrix = crop_matrix(140 + 3.1 * index, 110.3, 150 + 0.7 * index)
        crop = crop_of(image.astype(np.float32) / np.iinfo(image.dtype).max, matrix)
        paste_faces(planes, format, [RestoredCrop(matrix, crop, crop.copy(), ellipse(matrix))])
        pasted.append(planes)
    for frame, again in zip(decoded, read(write(pasted)), strict=True):
        assert all(map(np.array_equal, planes_of(frame, format), planes_of(again, format)))


def scene(x, y):
    return np.stack([0.5 + 0.2 * np.sin(x / 9 + y / 15), 0.45 + 0.2 * np.cos(y / 8), 0.5 + 0.001 * x], axis=-1)


def restored_scene(x, y):
    change = np.stack([np.sin(x / 5), np.cos(x / 6 + y / 7), np.sin(y / 5)], axis=-1)
    return scene(x, y) + 0.12 * change


@pytest.mark.parametrize('format', FORMATS, ids=names)
@pytest.mark.parametrize('side, degrees', [(150.3, 0), (101.7, 17), (230.9, -8)])
def test_what_is_pasted_lies_where_it_belongs_in_its_colours(format, side, degrees):
    """The restored crop is another scene, known at every point: samples are its own, within the error of rounding."""
    matrix = crop_matrix(160.37, 118.81, side, degrees)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    x, y = np.moveaxis(transform_points(np.stack([x, y], axis=-1), cv2.invertAffineTransform(matrix)), -1, 0)
    crop, restored = (function(x, y).astype(np.float32) for function in (scene, restored_scene))
    planes = rounded(sampled(scene, format), format)
    face = RestoredCrop(matrix, crop, restored, ellipse(matrix))
    paste_faces(planes, format, [face])
    for plane, expected, old in zip(planes, sampled(restored_scene, format), sampled(scene, format)):
        _, inside = reached(face, plane, format)
        error = (plane - expected)[inside] / 2 ** (format.depth - 8)
        assert inside.sum() > 300 and np.abs(expected - old)[inside].max() > 5
        assert 20 * np.log10(255 / np.sqrt(np.mean(error**2))) > 50


@pytest.mark.parametrize('format', FORMATS, ids=names)
def test_samples_outside_the_masks_are_not_touched(format):
    rng = np.random.default_rng(0)
    planes = to_planes(portrait(), format).samples
    before = [plane.copy() for plane in planes]
    # One in the middle, one that reaches beyond the frame, one that is not in it.
    matrices = [crop_matrix(101.3, 120, 120, 7), crop_matrix(300, 20.6, 160), crop_matrix(-300, 50, 100)]
    faces = [
        RestoredCrop(matrix, *rng.integers(0, 2, (2, SIZE, SIZE, 3)).astype(np.float32), ellipse(matrix))
        for matrix in matrices
    ]
    paste_faces(planes, format, faces)
    for plane, old in zip(planes, before):
        inside = np.any([reached(face, plane, format)[0] for face in faces], axis=0)
        assert np.array_equal(plane[~inside], old[~inside]) and not inside.all()
        assert (plane != old)[inside].mean() > 0.5


@pytest.mark.parametrize('kind', ['ellipse', 'parsed', 'parsed badly'])
@pytest.mark.parametrize('side', [60, 110, 300, 700])
def test_a_constant_shift_shows_no_seam(kind, side):
    size, format, shift = 256, VideoFormat(16, '444', full_range=True), 0.2
    matrix = crop_matrix(400.3, 399.8, side, 5, size)
    y, x = np.mgrid[:size, :size]
    if kind == 'ellipse':
        mask = ellipse(matrix, size)
    else:
        face = (np.hypot(x - 128, (y - 140) / 1.2) < 90).astype(np.float32)
        if kind == 'parsed badly':
            face *= np.random.default_rng(0).random((size, size)) > 0.01
            face = np.maximum(face, y > 200)
        mask = parsing_mask(face, crop_scale(matrix))
    planes = [np.full((800, 800), 30000, np.uint16) for _ in range(3)]
    crop = np.full((size, size, 3), 0.5, np.float32)
    paste_faces(planes, format, [RestoredCrop(matrix, crop, crop + np.float32(shift), mask)])
    luma = (planes[0].astype(float) - 30000) / 65535
    assert kind == 'parsed badly' or side < 100 or luma.max() == pytest.approx(shift, rel=1e-3)
    assert max(np.abs(np.diff(luma, axis=axis)).max() for axis in (0, 1)) <= shift / 10


@pytest.mark.parametrize('strength', [0.5, 1])
def test_the_larger_of_two_faces_covers_the_other(strength):
    format = VideoFormat(10, '420', chroma_location=LEFT)
    original = to_planes(portrait(), format).samples
    faces = []
    for matrix, color in ((crop_matrix(130, 120, 120), (0.9, 0.5, 0.2)), (crop_matrix(180, 120, 170), (0.1, 0.5, 0.8))):
        crop = np.full((SIZE, SIZE, 3), 0.5, np.float32)
        faces.append(RestoredCrop(matrix, crop, np.zeros_like(crop) + np.float32(color), ellipse(matrix)))

    def pasted(faces):
        planes = [plane.copy() for plane in original]
        paste_faces(planes, format, faces, strength)
        return planes

    near, both = pasted(faces[1:]), pasted(faces)
    assert all(map(np.array_equal, both, pasted(faces[::-1])))
    for plane, alone, far, old in zip(both, near, pasted(faces[:1]), original):
        touched, covered = reached(faces[1], plane, format)
        assert np.array_equal(plane[covered], alone[covered]) and not np.array_equal(plane[covered], far[covered])
        assert np.array_equal(plane[~touched], far[~touched]) and not np.array_equal(plane[~touched], old[~touched])


def test_strength_scales_the_change():
    format = VideoFormat(16, '444', full_range=True)
    matrix = crop_matrix(100, 100, 150)
    crop = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    face = RestoredCrop(matrix, crop, crop + np.float32(0.1), ellipse(matrix))
    changes = []
    for strength in (0, 0.5, 1):
        planes = [np.full((200, 200), 30000, np.uint16) for _ in range(3)]
        paste_faces(planes, format, [face], strength)
        changes.append(planes[0].astype(float) - 30000)
    assert not changes[0].any() and changes[2].max() == pytest.approx(6553.5, abs=1)
    assert np.abs(changes[2] - 2 * changes[1]).max() <= 2


def test_detail_that_the_frame_cannot_hold_does_not_alias():
    format = VideoFormat(8, '420', chroma_location=LEFT)
    planes = to_planes(np.full((240, 320, 3), 128, np.uint8), format).samples
    before = [plane.copy() for plane in planes]
    y, x = np.mgrid[:SIZE, :SIZE]
    crop = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    # Stripes of 2.5 pixels of the crop, less than one pixel of the frame.
    stripes = 0.4 * np.sign(np.sin(2 * np.pi * x / 2.5 + y))[..., None] * np.float32([1, -1, 1])
    matrix = crop_matrix(160.3, 120, 60, 3)
    paste_faces(planes, format, [RestoredCrop(matrix, crop, crop + stripes.astype(np.float32), ellipse(matrix))])
    assert max(np.abs(plane.astype(int) - old).max() for plane, old in zip(planes, before)) <= 6


def test_matching_undoes_a_change_of_colours_and_keeps_details():
    crop = cv2.resize(portrait(), (SIZE, SIZE)).astype(np.float32) / 255
    mask = ellipse_mask(SIZE, 1)
    assert np.abs(match_colour(crop, crop, mask) - crop).max() < 1e-6
    tinted = (crop * np.float32([0.8, 1.1, 1]) + np.float32([0.1, -0.05, 0.02])).astype(np.float32)
    assert np.abs(match_colour(tinted, crop, mask) - crop).max() < 0.01
    # A network sharpens: what is finer than its colours is left to it.
    blurred = cv2.GaussianBlur(crop, (0, 0), SIZE / 64)
    assert match_colour(crop, blurred, mask).std() == pytest.approx(crop.std(), rel=0.03)
    assert match_colour(tinted, crop, np.zeros_like(mask)) is tinted
