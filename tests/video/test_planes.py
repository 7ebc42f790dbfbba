"""Frames that nothing changes, from file to file: what PyAV decodes of both is compared, sample by sample."""

import gc
from fractions import Fraction
from itertools import chain

import av
import numpy as np
import pytest

from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.chroma import CENTER, LEFT, LOCATIONS, TOP_LEFT
from pgtf_basicsr.video.color import to_rgb
from pgtf_basicsr.video.decoded import DecodedFrame
from pgtf_basicsr.video.encoding import choose_encoding
from pgtf_basicsr.video.formats import Color, VideoFormat, chroma_location
from pgtf_basicsr.video.frame import PlanarFrame
from pgtf_basicsr.video.orientation import Orientation
from pgtf_basicsr.video.planes import side_by_side, to_planes
from pgtf_basicsr.video.segment_writer import SegmentWriter, segment_suffix

from ..helpers.samples import colourful, frame_of, samples, views, ycbcr

RATE = Fraction(25)
# Layouts that FFV1 does not hold.
RAW = ('nv12', 'nv21', 'yuyv422', 'uyvy422', 'yuv420p10be')
NOISE = [
    *((f'yuv{chroma}p{suffix}', chroma) for chroma in ('420', '422', '444') for suffix in ('', '10le', '12le')),
    *(('yuva420p', '420'), ('yuva444p10le', '444'), ('yuv420p9le', '420'), ('yuv444p16le', '444')),
    *((name, '420') for name in ('gray', 'gray10le', 'nv12', 'nv21', 'yuv420p10be')),
    *((name, '422') for name in ('yuyv422', 'uyvy422')),
    *((name, 'rgb') for name in ('bgr0', 'bgra', 'gbrp10le', 'gbrap10le', 'gbrp12le', 'gbrp16le')),
]


def noise(pixel_format, chroma, width, height, seed):
    """Planes Y, Cb, Cr or G, B, R of code values, most of which are no colours."""
    depth = depth_of(pixel_format)
    small = {'420': (-(-height // 2), -(-width // 2)), '422': (height, -(-width // 2))}.get(chroma, (height, width))
    generator = np.random.default_rng(seed)
    planes = [generator.integers(0, 2**depth, shape) for shape in ((height, width), small, small)]
    if pixel_format.startswith('gray'):
        planes[1:] = [np.full(small, 2 ** (depth - 1))] * 2
    return planes


def depth_of(pixel_format):
    return max(component.bits for component in av.VideoFormat(pixel_format).components)


def laid_out(planes, frame):
    """Copy planes to a frame as its format lays them out."""
    name, dtype = frame.format.name, 'u1' if depth_of(frame.format.name) == 8 else '<u2'
    y, *chroma = planes
    if name in ('nv12', 'nv21', 'p010le'):
        pair = chroma[::-1] if name == 'nv21' else chroma
        content = [y, np.stack(pair, axis=-1).reshape(len(pair[0]), -1)]
        content = [plane << 6 for plane in content] if name == 'p010le' else content
    elif name in ('yuyv422', 'uyvy422'):
        pair = np.stack(chroma, axis=-1).reshape(y.shape)
        content = [np.stack((y, pair) if name == 'yuyv422' else (pair, y), axis=-1).reshape(len(y), -1)]
    elif name in ('bgr0', 'bgra'):
        green, blue, red = planes
        content = [np.stack((blue, green, red, np.full_like(red, 255)), axis=-1).reshape(len(y), -1)]
    else:
        content = [y, *chroma, np.full_like(y, 200)][: len(frame.planes)]
    dtype = '>u2' if name.endswith('be') else dtype
    for plane, values in zip(frame.planes, content):
        lines = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // np.dtype(dtype).itemsize)
        lines[: len(values), : values.shape[1]] = values
    return frame


def write(path, codec, pixel_format, frames, options=None, color_range=1, matrix=1, turn=None):
    """Encode frames with PyAV alone."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pixel_format
        context = stream.codec_context
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = color_range, matrix, 1, 1
        if turn is not None:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        for frame in frames:
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def pass_through(reader, folder, suffix, codec):
    """Write the frames of a reader as they are; returns them, the file's decoded frames, and its encoding."""
    encoding = choose_encoding(suffix, reader.format, reader.width, reader.height, codec, lossless=codec != 'ffv1')
    path = folder / f'out{segment_suffix(encoding)}'
    with SegmentWriter(path, encoding, reader.width, reader.height, reader.rate, reader.time_base) as writer:
        frames = list(reader)
        for frame in frames:
            writer.write(PlanarFrame(frame.planes(encoding.format), frame.time, frame.duration))
    return frames, read(path), encoding


def planes_of(frame):
    """Planes Y, Cb, Cr or G, B, R of a frame that was written."""
    if frame.format.name != 'bgr0':
        return samples(frame)
    pixels = np.frombuffer(memoryview(frame.planes[0]), np.uint8).reshape(frame.height, -1, 4)[:, : frame.width]
    return [pixels[..., channel] for channel in (1, 0, 2)]


@pytest.mark.parametrize('full_range', [False, True], ids=['limited', 'full'])
@pytest.mark.parametrize('pixel_format, chroma', NOISE)
def test_decoded_samples_are_written_as_they_are(tmp_path, pixel_format, chroma, full_range):
    raw = pixel_format in RAW
    width, height = (48, 34) if chroma == '422' and raw else (47, 33)
    planes = [noise(pixel_format, chroma, width, height, seed) for seed in range(2)]
    frames = [laid_out(content, av.VideoFrame(width, height, pixel_format)) for content in planes]
    color_range = 2 if full_range else 1
    source = tmp_path / ('in.nut' if raw else 'in.mkv')
    write(source, 'rawvideo' if raw else 'ffv1', pixel_format, frames, color_range=color_range)
    with VideoReader(source) as reader:
        assert raw or reader.format.full_range == (full_range and chroma != 'rgb')
        images, found, encoding = pass_through(reader, tmp_path, '.mkv', 'ffv1')
    for expected, image, after in zip(planes, images, found, strict=True):
        assert all(map(np.array_equal, planes_of(after), expected))
        written = image.planes(encoding.format)
        assert all(map(np.array_equal, written.samples, expected))
        assert all(plane.flags.c_contiguous and plane.flags.writeable for plane in written.samples)
        assert np.array_equal(written.to_rgb(), image.image)


def test_layouts_of_graphics_cards_lose_nothing():
    planes = noise('p010le', '420', 47, 33, 0)
    decoded = DecodedFrame(laid_out(planes, av.VideoFrame(47, 33, 'p010le')), Orientation(), LEFT)
    format = VideoFormat(10, '420', color=Color(2, 2, 2), chroma_location=LEFT)
    assert all(map(np.array_equal, decoded.planes(format).samples, planes))


@pytest.mark.parametrize('pixel_format', ['yuvj420p', 'yuvj422p'])
def test_full_range_of_cameras_is_kept(tmp_path, pixel_format):
    frames = [frame_of(ycbcr(colourful(0, 64, 48), 8, True, 5), pixel_format, 5, True)]
    source = write(tmp_path / 'in.avi', 'mjpeg', pixel_format, frames, color_range=2, matrix=5)
    with VideoReader(source) as reader:
        _, found, encoding = pass_through(reader, tmp_path, '.mkv', 'h264')
    assert encoding.format.full_range and encoding.format.color.matrix == 5
    assert all(map(np.array_equal, samples(found[0]), samples(read(source)[0])))


# How the place of chroma samples, at the left between two lines, turns with the frame; elsewhere it has no name.
TURNED_LEFT = {
    (0, False): 'left',
    (90, False): 'bottom',
    (180, False): None,
    (270, False): 'top',
    (0, True): None,
    (90, True): 'bottom',
    (180, True): 'left',
    (270, True): 'top',
}


@pytest.mark.parametrize('turn', TURNED_LEFT)
@pytest.mark.parametrize('pixel_format, codec', [('yuv420p', 'h264'), ('yuv444p', 'h264'), ('yuv420p10le', 'hevc')])
def test_turned_videos_keep_their_samples_where_a_file_can_state_it(tmp_path, pixel_format, codec, turn):
    depth = depth_of(pixel_format)
    frames = [frame_of(ycbcr(colourful(seed, 160, 96), depth, False, 1), pixel_format) for seed in range(3)]
    encoder, options = {
        'h264': ('libx264', {'qp': '0'}),
        'hevc': ('libx265', {'x265-params': 'lossless=1:log-level=error'}),
    }[codec]
    source = write(tmp_path / 'in.mp4', encoder, pixel_format, frames, options, turn=turn)
    with VideoReader(source) as reader:
        images, found, encoding = pass_through(reader, tmp_path, '.mp4', codec)
    place = TURNED_LEFT[turn]
    for before, image, after in zip(read(source), images, found, strict=True):
        upright = [np.rot90(plane, turn[0] // 90) for plane in samples(before)]
        upright = [plane[:, ::-1] if turn[1] else plane for plane in upright]
        if pixel_format == 'yuv444p' or place:
            assert all(map(np.array_equal, samples(after), upright))
        else:
            converted = to_planes(image.image, encoding.format).samples
            assert all(map(np.array_equal, samples(after), converted))
            assert np.abs(converted[0] - upright[0]).mean() < 0.1
        if place and pixel_format != 'yuv444p':
            assert chroma_location(after) == LOCATIONS[place]


@pytest.mark.parametrize('width, height', [(47, 33), (48, 34)])
def test_turned_chroma_of_odd_frames(tmp_path, width, height):
    """The last sample of an odd side stands for one pixel, so samples at the first of two are there again."""
    planes = noise('yuv420p', '420', width, height, 0)
    frame = laid_out(planes, av.VideoFrame(width, height, 'yuv420p'))
    options = {'chroma_sample_location': 'topleft'}
    with VideoReader(write(tmp_path / 'in.mkv', 'ffv1', 'yuv420p', [frame], options, turn=(180, False))) as reader:
        (frame,) = reader
    assert reader.format.chroma_location == TOP_LEFT
    found = frame.planes(reader.format).samples
    same = [np.array_equal(plane, old[::-1, ::-1]) for plane, old in zip(found, planes)]
    assert all(same) if width % 2 else not any(same)


def test_turned_pixels_that_are_not_square_stay_so(tmp_path):
    frames = [frame_of(ycbcr(colourful(0, 64, 48), 8, False, 1), 'yuv420p')]
    source = tmp_path / 'in.mp4'
    with av.open(str(source), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.codec_context.sample_aspect_ratio = 64, 48, Fraction(16, 11)
        stream.set_display_rotation(90)
        container.mux(chain(stream.encode(frames[0]), stream.encode()))
    with VideoReader(source) as reader:
        assert reader.pixel_aspect == reader.format.pixel_aspect == Fraction(11, 16)


def test_codecs_that_do_not_state_a_turned_chroma_location_get_the_usual_one():
    for codec in ('vp9', 'ffv1', 'av1'):
        for name, location in LOCATIONS.items():
            format = choose_encoding('.mkv', VideoFormat(chroma_location=location), 64, 48, codec).format
            assert format.chroma_location == (location if name in ('left', 'center', 'topleft') else LEFT)


@pytest.mark.parametrize(
    'change',
    [
        dict(depth=10),
        dict(chroma='444'),
        dict(chroma='422'),
        dict(chroma='rgb'),
        dict(full_range=True),
        dict(color=Color(9, 9, 14)),
        dict(chroma_location=TOP_LEFT),
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_written_otherwise_is_converted(tmp_path, change):
    frame = laid_out(noise('yuv420p', '420', 64, 48, 0), av.VideoFrame(64, 48, 'yuv420p'))
    with VideoReader(write(tmp_path / 'in.mkv', 'ffv1', 'yuv420p', [frame])) as reader:
        (frame,) = reader
    format = reader.format._replace(**change)
    assert all(map(np.array_equal, frame.planes(format).samples, to_planes(frame.image, format).samples))
    assert frame.planes(format).format == format


def test_frames_in_pairs_of_luma_alone_are_converted(tmp_path):
    """4:1:1, which is written as 4:2:0."""
    frame = av.VideoFrame(64, 48, 'yuv411p')
    for plane, value in zip(views(frame), (90, 110, 150)):
        plane[:] = value
    with VideoReader(write(tmp_path / 'in.mkv', 'ffv1', 'yuv411p', [frame])) as reader:
        (read_frame,) = reader
    planes = read_frame.planes(reader.format)
    assert [plane.shape for plane in planes.samples] == [(48, 64), (24, 32), (24, 32)]
    assert all((abs(plane.astype(int) - value) <= 1).all() for plane, value in zip(planes.samples, (90, 110, 150)))


def test_planes_are_memory_of_their_own(tmp_path):
    planes = noise('yuv444p', '444', 32, 16, 0)
    frame = laid_out(planes, av.VideoFrame(32, 16, 'yuv444p'))
    with VideoReader(write(tmp_path / 'in.mkv', 'ffv1', 'yuv444p', [frame])) as reader:
        (frame,) = reader
    # The decoder has ended; what it gave is read once more after it was changed.
    for plane in frame.planes(reader.format).samples:
        plane[:] = 0
    assert all(map(np.array_equal, frame.planes(reader.format).samples, planes))


def test_decoded_frames_go_with_those_that_hold_them(tmp_path):
    """What is left to the collector of reference cycles would be collected in data workers, see `video.repacking`."""
    frames = [laid_out(noise('nv12', '420', 64, 48, seed), av.VideoFrame(64, 48, 'nv12')) for seed in range(6)]
    source = write(tmp_path / 'in.nut', 'rawvideo', 'nv12', frames)
    del frames
    gc.collect()

    def count():
        return sum(type(item) is av.VideoFrame for item in gc.get_objects())

    gc.disable()
    try:
        before = count()
        with VideoReader(source) as reader:
            held = list(reader)
        assert all(frame.planes(reader.format).samples[0].shape == (48, 64) for frame in held)
        assert count() >= before + len(held)
        del held, reader
        assert count() <= before + 1  # the first frame, whose side data refers to it
    finally:
        gc.enable()


@pytest.mark.parametrize('width', [32, 33])
@pytest.mark.parametrize('chroma', ['420', '422', '444', 'rgb'])
def test_two_frames_lie_side_by_side(chroma, width):
    format = VideoFormat(10, chroma, chroma_location=CENTER)
    left, right = (to_planes((colourful(seed, width, 18) * 65535).astype(np.uint16), format) for seed in range(2))
    both = side_by_side(left, right)
    assert both.format == format
    whole = to_planes(np.hstack((left.to_rgb(), right.to_rgb())), format)
    assert [plane.shape for plane in both.samples] == [plane.shape for plane in whole.samples]
    for plane, ours, other in zip(both.samples, left.samples, right.samples):
        if width % 2 == 0 or plane.shape[1] == 2 * width:
            assert np.abs(plane.astype(int) - np.hstack((ours, other))).max() <= (width % 2)
    assert to_rgb(both.to_frame(), CENTER).shape == (18, 2 * width, 3)
