"""What encoders get and what their files say, read by PyAV alone."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video.chroma import LEFT, TOP_LEFT
from pgtf_basicsr.video.color import to_rgb
from pgtf_basicsr.video.encoding import CODECS, SUFFIXES, choose_encoding
from pgtf_basicsr.video.formats import Color, ContentLight, MasteringDisplay, VideoFormat, format_of, hdr_warning
from pgtf_basicsr.video.frame import PlanarFrame
from pgtf_basicsr.video.planes import to_planes
from pgtf_basicsr.video.segment_writer import SegmentWriter, segment_suffix

from ..helpers.samples import colourful, frame_of, samples, ycbcr

TIME_BASE = Fraction(1, 90000)
# Of a phone: neither constant nor from 0.
TIMES = [Fraction(ticks, 90000) for ticks in (1500, 4500, 7512, 10498, 40000, 43003)]
DISPLAY = MasteringDisplay(
    primaries=(
        (Fraction(34000, 50000), Fraction(16000, 50000)),
        (Fraction(13250, 50000), Fraction(34500, 50000)),
        (Fraction(7500, 50000), Fraction(3000, 50000)),
    ),
    white=(Fraction(15635, 50000), Fraction(16450, 50000)),
    luminance=(Fraction(1, 200), Fraction(1000)),
)
HDR = VideoFormat(10, '420', False, Color(9, 9, 16), TOP_LEFT, DISPLAY, ContentLight(1000, 400))


def write_segment(path, encoding, images, width=64, height=48):
    with SegmentWriter(path, encoding, width, height, Fraction(30), TIME_BASE) as writer:
        for image, time in zip(images, TIMES):
            writer.write(PlanarFrame(to_planes(image, encoding.format), time, Fraction(1, 30)))
    return path


def read(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def sources(format):
    """Decoded frames of a source video, made without the package."""
    frames = []
    for index in range(len(TIMES)):
        planes = ycbcr(colourful(index, 64, 48), format.depth, format.full_range, format.color.matrix)
        frames.append(frame_of(planes, format.pixel_format, format.color.matrix, format.full_range))
    return frames


LOSSLESS = [
    (codec, depth, chroma)
    for codec, depths, chromas in [
        ('h264', (8, 10), ('420', '422', '444')),
        ('hevc', (8, 10, 12), ('420', '422', '444')),
        ('av1', (8, 10), ('420',)),
        ('vp9', (8,), ('420', '422', '444')),
        ('ffv1', (8, 10, 12, 16), ('420', '422', '444')),
    ]
    for depth in depths
    for chroma in chromas
]


@pytest.mark.parametrize('full_range', [False, True], ids=['limited', 'full'])
@pytest.mark.parametrize('codec, depth, chroma', LOSSLESS)
def test_lossless_codecs_keep_samples_and_times(tmp_path, codec, depth, chroma, full_range):
    format = VideoFormat(depth, chroma, full_range, chroma_location=LEFT)
    before = sources(format)
    encoding = choose_encoding('.mkv', format, 64, 48, codec, lossless=True)
    assert (encoding.format, encoding.notes) == (format, ())
    images = [to_rgb(frame, LEFT) for frame in before]
    after = read(write_segment(tmp_path / f's{segment_suffix(encoding)}', encoding, images))
    assert [frame.pts * frame.time_base for frame in after] == TIMES
    assert {frame.format.name for frame in after} <= {format.pixel_format, format.pixel_format.replace('yuv', 'yuvj')}
    for a, b in zip(before, after):
        for index, (old, new) in enumerate(zip(samples(a), samples(b))):
            assert abs((old - new).mean()) < 0.05
            if index == 0 or chroma == '444':
                assert np.abs(old - new).max() <= 1
            else:
                assert 10 * np.log10((2**depth - 1) ** 2 / max(np.square(old - new).mean(), 1e-9)) > 50


@pytest.mark.parametrize('codec', ['h264', 'hevc', 'av1'])
def test_hdr_metadata_is_in_the_bitstream(tmp_path, codec):
    encoding = choose_encoding('.mp4', HDR, 64, 48, codec)
    images = [to_rgb(frame, HDR.chroma_location) for frame in sources(HDR)]
    with av.open(str(write_segment(tmp_path / 's.nut', encoding, images))) as container:
        frames = list(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (9, 9, 16, 1)
        again = format_of(frames[0], context)
        assert frames[0].format.name == 'yuv420p10le'
    data = {item.type.name: bytes(item) for item in frames[0].side_data}
    assert struct.unpack('II', data['CONTENT_LIGHT_LEVEL']) == (1000, 400)
    numbers = struct.unpack('22i', data['MASTERING_DISPLAY_METADATA'])
    found = np.divide(numbers[0:20:2], numbers[1:20:2])
    expected = [0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329, 0.005, 1000]
    assert np.abs(found - expected).max() < 2e-5 and numbers[20:] == (1, 1)
    assert again.chroma_location == HDR.chroma_location and again.content_light == HDR.content_light
    if codec != 'av1':  # it rounds to 1/65536
        assert again == HDR
    assert 'PQ' in hdr_warning(again)


@pytest.mark.parametrize('codec', ['vp9', 'ffv1', 'prores'])
def test_hdr_metadata_that_is_lost_is_named(codec):
    (note,) = [note for note in choose_encoding('.mkv', HDR, 64, 48, codec).notes if 'mastering' in note]
    assert CODECS[codec].title in note


def test_sdr_has_no_warning():
    assert hdr_warning(VideoFormat()) is None
    assert 'HLG' in hdr_warning(VideoFormat(color=Color(9, 9, 18)))


@pytest.mark.parametrize(
    'suffix, source, codec, expected, notes',
    [
        ('.mp4', VideoFormat(), None, 'h264 yuv420p', 0),
        ('.mp4', VideoFormat(10), None, 'hevc yuv420p10le', 0),
        ('.avi', VideoFormat(10, '422'), None, 'h264 yuv422p10le', 0),
        ('.webm', VideoFormat(chroma='444'), None, 'vp9 yuv444p', 0),
        ('.webm', VideoFormat(10), None, 'av1 yuv420p10le', 0),
        ('.mov', VideoFormat(9, '422'), 'h264', 'h264 yuv422p10le', 0),
        ('.mov', VideoFormat(), 'prores', 'prores yuv422p10le', 0),
        ('.mov', VideoFormat(full_range=True), 'prores', 'prores yuv422p10le', 1),
        ('.mkv', VideoFormat(12, '444'), 'h264', 'h264 yuv444p10le', 1),
        ('.mkv', VideoFormat(10, '444'), 'av1', 'av1 yuv420p10le', 1),
        ('.mkv', VideoFormat(12), 'vp9', 'vp9 yuv420p', 1),
        ('.mkv', VideoFormat(16, '422'), 'ffv1', 'ffv1 yuv422p16le', 0),
        ('.mkv', VideoFormat(chroma='rgb'), None, 'h264 yuv420p', 1),
        ('.mkv', VideoFormat(chroma='rgb'), 'ffv1', 'ffv1 bgr0', 0),
        ('.mkv', VideoFormat(16, chroma='rgb'), 'ffv1', 'ffv1 gbrp16le', 0),
    ],
)
def test_the_format_that_loses_least_is_chosen(suffix, source, codec, expected, notes):
    encoding = choose_encoding(suffix, source, 64, 48, codec)
    assert f'{encoding.codec} {encoding.format.pixel_format}' == expected
    assert len(encoding.notes) == notes


@pytest.mark.parametrize('width, height', [(67, 48), (68, 47), (67, 47)])
@pytest.mark.parametrize('codec', ['h264', 'hevc', 'vp9', 'ffv1', 'prores'])
def test_odd_sizes_stay_as_they_are(tmp_path, codec, width, height):
    encoding = choose_encoding('.mkv', VideoFormat(), width, height, codec)
    images = [np.full((height, width, 3), (200, 50, 90), np.uint8)] * 2
    frames = read(write_segment(tmp_path / f's{segment_suffix(encoding)}', encoding, images, width, height))
    assert [(frame.width, frame.height) for frame in frames] == [(width, height)] * 2


@pytest.mark.parametrize('depth', [8, 16])
def test_ffv1_keeps_rgb(tmp_path, depth):
    encoding = choose_encoding('.mkv', VideoFormat(depth, 'rgb'), 64, 48, 'ffv1')
    largest = 2**depth - 1
    images = [(colourful(index, 64, 48) * largest).round().astype(f'u{depth // 8}') for index in range(3)]
    frames = read(write_segment(tmp_path / 's.nut', encoding, images))
    assert all((to_rgb(frame) == image).all() for frame, image in zip(frames, images))


@pytest.mark.parametrize('codec', CODECS)
def test_bytes_of_a_segment_follow_from_its_frames(tmp_path, codec, fill_new_memory):
    encoding = choose_encoding(CODECS[codec].suffixes[0], VideoFormat(), 160, 96, codec)
    images = [(colourful(index, 160, 96) * 255).astype(np.uint8) for index in range(len(TIMES))]
    contents = set()
    for value in (0, 85, 255):
        fill_new_memory(value)
        path = write_segment(tmp_path / f'{value}{segment_suffix(encoding)}', encoding, images, 160, 96)
        contents.add(path.read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize('codec', CODECS)
def test_pixels_that_are_not_square_stay_so_or_it_is_said(tmp_path, codec):
    format = VideoFormat(pixel_aspect=Fraction(16, 11))
    assert len(choose_encoding('.mkv', format, 64, 48, codec).notes) == (codec not in ('h264', 'hevc'))
    if codec not in ('h264', 'hevc', 'prores'):
        return  # the final file says it
    encoding = choose_encoding('.mov', format, 64, 48, codec)
    assert encoding.notes == ()
    images = [np.full((48, 64, 3), 90, np.uint8)] * 2
    with av.open(str(write_segment(tmp_path / f's{segment_suffix(encoding)}', encoding, images))) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_h264_in_avi_has_frames_in_order(tmp_path):
    encoding = choose_encoding('.avi', VideoFormat(), 64, 48)
    images = [(colourful(index // 3, 64, 48) * 255).astype(np.uint8) for index in range(len(TIMES))]
    with av.open(str(write_segment(tmp_path / 's.nut', encoding, images))) as container:
        times = [packet.pts for packet in container.demux() if packet.pts is not None]
    assert times == sorted(times)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('.gif', VideoFormat(), 64, 48), 'cannot write .gif: use one of .mp4'),
        (
            ('.mp4', VideoFormat(), 64, 48, 'prores'),
            '.mp4 does not hold ProRes: write .mov or .mkv, or choose one of h264',
        ),
        (('.mp4', VideoFormat(), 64, 48, 'divx'), 'there is no codec divx: use one of h264'),
        (('.mov', VideoFormat(), 64, 48, 'prores', None, True), 'ProRes is not lossless: use one of h264'),
        (('.mkv', VideoFormat(), 64, 48, 'ffv1', 18), 'FFV1 has no --crf'),
        (('.mkv', VideoFormat(), 64, 48, 'h264', 52), '--crf 52: h264 takes 0, the best, to 51'),
        (('.mkv', VideoFormat(), 64, 48, 'h264', 18, True), '--lossless and --crf'),
        (('.mkv', VideoFormat(), 62, 48, 'hevc'), 'HEVC needs a side of at least 64 pixels, not 62x48'),
        (('.webm', VideoFormat(), 63, 48, 'av1'), 'AV1 needs an even width and height, not 63x48'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        choose_encoding(*arguments)
    assert '\n' not in str(caught.value)


def test_every_file_has_a_default():
    for suffix in SUFFIXES:
        for depth in (8, 10):
            assert choose_encoding(suffix, VideoFormat(depth), 64, 48).notes == ()


def test_a_full_disk_is_named(tmp_path):
    encoding = choose_encoding('.mkv', VideoFormat(), 64, 48, 'ffv1')
    images = [(colourful(0, 64, 48) * 255).astype(np.uint8)] * 6
    with pytest.raises(UserError, match='cannot write .*full.nut: No space left'):
        (tmp_path / 'full.nut').symlink_to('/dev/full')
        write_segment(tmp_path / 'full.nut', encoding, images)


def gray_frame(width, height, format, time=Fraction(0)):
    return PlanarFrame(to_planes(np.full((height, width, 3), 128, np.uint8), format), time, Fraction(1, 30))


def test_segments_take_only_their_own_frames(tmp_path):
    encoding = choose_encoding('.mkv', VideoFormat(), 64, 48)
    with SegmentWriter(tmp_path / 's.nut', encoding, 64, 48, Fraction(30), TIME_BASE) as writer:
        with pytest.raises(ValueError, match='expected'):
            writer.write(gray_frame(48, 64, encoding.format))
        with pytest.raises(ValueError, match='expected VideoFormat'):
            writer.write(gray_frame(64, 48, encoding.format._replace(depth=10)))
        with pytest.raises(ValueError, match='not a multiple'):
            writer.write(gray_frame(64, 48, encoding.format, Fraction(1, 7)))
