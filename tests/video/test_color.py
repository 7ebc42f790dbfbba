"""Conversion of frames to RGB and back, against the equations of ITU-T H.273 in NumPy."""

import av
import numpy as np
import pytest
from av.filter import Graph

from pgtf_basicsr.video.chroma import CENTER, LEFT, LOCATIONS, enlarge, shrink
from pgtf_basicsr.video.color import to_rgb, to_uint8
from pgtf_basicsr.video.formats import Color, VideoFormat, chroma_location
from pgtf_basicsr.video.planes import to_planes

from ..helpers.samples import colourful, frame_of, samples, views, ycbcr

DEPTHS = (8, 10, 12, 16)
RANGES = pytest.mark.parametrize('full_range', [False, True], ids=['limited', 'full'])


def located(frame, location):
    """The frame with a chroma location, which PyAV cannot set."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=1)
    graph.link_nodes(source, graph.add('setparams', chroma_location=location), graph.add('buffersink'))
    graph.configure()
    graph.push(frame)
    return graph.pull()


def format_for(depth, chroma, full_range, matrix=1, location=CENTER):
    return VideoFormat(depth, chroma, full_range, Color(matrix=matrix), location)


@RANGES
@pytest.mark.parametrize('matrix', [1, 5, 9])
@pytest.mark.parametrize('depth', DEPTHS)
def test_conversion_follows_the_equations(depth, matrix, full_range):
    image = colourful(0, 64, 48)
    format = format_for(depth, '444', full_range, matrix)
    planes = ycbcr(image, depth, full_range, matrix)
    largest = 255 if depth == 8 else 65535
    rgb = to_rgb(frame_of(planes, format.pixel_format, matrix, full_range))
    assert rgb.dtype == (np.uint8 if depth == 8 else np.uint16)
    # The rounding of samples moves a colour by up to 1.4 of their steps.
    assert np.abs(rgb / largest - image).max() < 1.5 / (2**depth * 219 / 256) + 0.51 / largest
    assert np.abs((rgb / largest - image).mean((0, 1))).max() < 0.1 / 2**depth
    rounded = (image * largest).round().astype(rgb.dtype)
    found = to_planes(rounded, format).samples
    for plane, expected in zip(found, ycbcr(rounded / largest, depth, full_range, matrix)):
        assert np.abs(plane - expected).max() < 0.53
        assert abs((plane - expected).mean()) < 0.05


@RANGES
@pytest.mark.parametrize('location', LOCATIONS)
@pytest.mark.parametrize('chroma', ['444', '422', '420'])
@pytest.mark.parametrize('depth', DEPTHS)
def test_samples_come_back(depth, chroma, location, full_range):
    format = format_for(depth, chroma, full_range, location=LOCATIONS[location])
    planes = ycbcr(colourful(1, 64, 48), depth, full_range, 1)
    frame = located(frame_of(planes, format.pixel_format, 1, full_range), location)
    frame.colorspace, frame.color_range = 1, 2 if full_range else 1
    back = to_planes(to_rgb(frame), format).to_frame()
    assert (back.format.name, back.color_range) == (frame.format.name, frame.color_range)
    assert_unchanged(samples(frame), samples(back), depth, chroma)


def assert_unchanged(before, after, depth, chroma):
    for index, (a, b) in enumerate(zip(before, after)):
        assert abs((a - b).mean()) < 0.05, index
        if index == 0 or chroma == '444':
            assert np.abs(a - b).max() <= 1, index
        else:
            assert 10 * np.log10((2**depth - 1) ** 2 / max(np.square(a - b).mean(), 1e-9)) > 50


@pytest.mark.parametrize('location', LOCATIONS)
def test_the_chroma_location_of_a_frame_is_found(location):
    for pixel_format in ('yuv420p', 'yuv420p10le', 'nv12'):
        assert chroma_location(located(av.VideoFrame(64, 48, pixel_format), location)) == LOCATIONS[location]


@pytest.mark.parametrize('location', LOCATIONS.values())
@pytest.mark.parametrize('width, height', [(64, 48), (16, 4), (2, 2)])
def test_enlarged_chroma_shrinks_to_itself(location, width, height):
    plane = np.random.default_rng(0).uniform(0, 1, (height // 2, width // 2)).astype(np.float32)
    enlarged = enlarge(plane, height, width, location)
    assert enlarged.shape == (height, width)
    np.testing.assert_allclose(shrink(enlarged, height // 2, width // 2, location), plane, atol=1e-6)


@pytest.mark.parametrize('location', LOCATIONS.values())
def test_a_ramp_stays_in_its_place(location):
    y, x = np.mgrid[:24, :32].astype(np.float32)
    plane = (y + location.y / 2) - 2 * (x + location.x / 2)  # in luma pixels: y / 2 - x, at the chroma samples
    enlarged = enlarge(plane, 48, 64, location)
    y, x = np.mgrid[:48, :64]
    np.testing.assert_allclose(enlarged[8:-8, 8:-8], (y / 2 - x)[8:-8, 8:-8], atol=1e-4)


def test_odd_sizes_keep_their_chroma():
    planes = ycbcr(colourful(2, 48, 32), 10, False, 1)
    whole = frame_of(planes, 'yuv420p10le')
    odd = av.VideoFrame(47, 31, 'yuv420p10le')
    for plane, values in zip(odd.planes, samples(whole)):
        np.frombuffer(plane, '<u2').reshape(plane.height, -1)[:, : plane.width] = values[: plane.height, : plane.width]
    odd.colorspace = odd.color_range = 1
    back = to_planes(to_rgb(odd, LEFT), format_for(10, '420', False, location=LEFT)).samples
    assert back[0].shape == (31, 47) and back[1].shape == (16, 24)
    for a, b in zip(samples(odd), back):
        assert np.abs(a - b)[:-1, :-1].max() <= 1


@pytest.mark.parametrize('pixel_format', ['p010le', 'yuv420p10be', 'yuva444p10le', 'yuv422p10le', 'yuv440p10le'])
def test_every_layout_of_many_bits_is_read(pixel_format):
    colours = np.broadcast_to(np.float64([0.6, 0.4, 0.3]), (16, 16, 3))
    plain = frame_of(ycbcr(colours, 10, False, 1), 'yuv444p10le')
    other = plain.reformat(format=pixel_format, interpolation='BICUBIC')
    other.colorspace = other.color_range = 1
    assert np.abs(to_rgb(other).astype(int) - to_rgb(plain)).max() <= 2 * 64


@pytest.mark.parametrize('pixel_format, largest', [('gbrp10le', 1023), ('gbrp12le', 4095), ('gbrp16le', 65535)])
def test_rgb_of_many_bits_uses_the_whole_range(pixel_format, largest):
    frame = av.VideoFrame(16, 16, pixel_format)
    for plane, value in zip(frame.planes, (largest, 0, largest // 3)):  # green, blue, red
        np.frombuffer(plane, '<u2')[:] = value
    assert (to_rgb(frame) == [round(65535 * (largest // 3) / largest), 65535, 0]).all()


def test_gray_is_read_as_gray():
    for pixel_format, dtype in (('gray', np.uint8), ('gray10le', '<u2')):
        frame = av.VideoFrame(16, 16, pixel_format)
        np.frombuffer(frame.planes[0], dtype)[:] = 64 if pixel_format == 'gray' else 256
        frame.color_range = 2
        rgb = to_uint8(to_rgb(frame))
        assert np.abs(rgb.astype(int) - 64).max() <= 1


@pytest.mark.parametrize('location', LOCATIONS.values())
@pytest.mark.parametrize('pixel_format', ['yuv420p', 'yuv410p', 'yuv440p', 'yuv422p10le'])
def test_tall_frames_have_no_seams(pixel_format, location):
    """Frames are converted in bands; whole ones are the measure."""
    generator = np.random.default_rng(0)
    frame = av.VideoFrame(16, 404, pixel_format)
    largest = 2 ** frame.format.components[0].bits - 1
    for plane in views(frame):
        plane[:] = generator.integers(0.4 * largest, 0.6 * largest, plane.shape)
    frame.colorspace = frame.color_range = 1
    luma, *chroma = (plane.astype(np.float32) for plane in views(frame))
    whole = av.VideoFrame(16, 404, pixel_format.replace(pixel_format[3:6], '444'))
    for plane, values in zip(views(whole), [luma, *(enlarge(plane, 404, 16, location) for plane in chroma)]):
        plane[:] = values.round()
    whole.colorspace = whole.color_range = 1
    step = 2 ** (16 if largest > 255 else 8) / largest
    assert np.abs(to_rgb(frame, location).astype(int) - to_rgb(whole)).max() <= 1.5 * step + 1
    if pixel_format == 'yuv420p':
        back = to_planes(to_rgb(whole), format_for(8, '420', False, location=location))
        for plane, values in zip(back.samples[1:], chroma):
            assert np.abs(plane - values).max() <= 1
