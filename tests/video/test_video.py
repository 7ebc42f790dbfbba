"""Reading and writing of real video files."""

import gc
import multiprocessing
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video import Color, VideoReader, VideoWriter
from pgtf_basicsr.video.seeking import read_frames

from ..helpers.videos import audio_packets, moving_frames, psnr, write_video

NTSC = Fraction(30000, 1001)


def written(path, frames, rate=NTSC, **options):
    height, width = frames[0].shape[:2]
    with VideoWriter(path, rate, width, height, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.m4v', '.mkv'])
@pytest.mark.parametrize('rate', [NTSC, Fraction(24000, 1001), Fraction(25), Fraction(1234, 97)])
def test_round_trip_keeps_count_size_and_exact_rate(tmp_path, suffix, rate):
    path = written(tmp_path / f'v{suffix}', moving_frames(31, 48, 32), rate)
    with VideoReader(path) as reader:
        assert (reader.width, reader.height, reader.rate) == (48, 32, rate)
        assert reader.num_frames == (None if suffix == '.mkv' else 31)
        assert len(list(reader)) == 31


@pytest.mark.parametrize('count', [0, 3, 10])
def test_a_closed_reader_is_freed_at_once(tmp_path, count):
    """Left to the garbage collector, its decoder may end in a forked process, waiting for threads it does not have."""
    path = written(tmp_path / 'v.mp4', moving_frames(10, 48, 32))
    gc.disable()
    try:
        with VideoReader(path) as reader:
            for _ in range(count):
                next(iter(reader))
        freed = weakref.ref(reader)
        del reader
        assert freed() is None
    finally:
        gc.enable()


def test_a_forked_process_collects_what_readers_leave(tmp_path):
    """A data worker is forked from a process that has read videos; a converter's threads are not there to be ended."""
    path = write_video(tmp_path / 'v.mp4', moving_frames(3, 48, 32), 25, rotation=90)
    with VideoReader(path) as reader:
        list(reader)
    read_frames(str(path), [0, 2], 'v')
    worker = multiprocessing.get_context('fork').Process(target=gc.collect)
    worker.start()
    worker.join(30)
    hanging = worker.is_alive()
    worker.kill()
    assert not hanging


def test_frames_lie_on_the_exact_grid_of_the_rate(tmp_path):
    path = written(tmp_path / 'v.mp4', moving_frames(10, 48, 32))
    with av.open(str(path)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [index / NTSC for index in range(10)]


@pytest.mark.parametrize('count', [1, 2])
def test_very_short_videos(tmp_path, count):
    with VideoReader(written(tmp_path / 'v.mp4', moving_frames(count, 48, 32))) as reader:
        assert len(list(reader)) == count and reader.rate == NTSC


@pytest.mark.parametrize('width, height', [(47, 32), (48, 31), (47, 31)])
def test_odd_sizes_stay_as_they_are(tmp_path, width, height):
    frames = moving_frames(5, width, height)
    with VideoReader(written(tmp_path / 'v.mp4', frames, crf=0)) as reader:
        assert (reader.width, reader.height) == (width, height)
        assert min(psnr(a, b) for a, b in zip(frames, reader.images())) > 45


@pytest.mark.parametrize('color', [Color(), Color(6, 6, 6), Color(2, 2, 2)], ids=['BT.709', 'BT.601', 'not stated'])
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_round_trips_keep_the_colours(tmp_path, color, suffix):
    y, x = np.mgrid[:64, :96]
    ramp = np.stack([20 + 2 * x, 30 + 3 * y, 220 - x - y], axis=-1).astype(np.uint8)
    frame = ramp
    for _ in range(5):
        path = written(tmp_path / f'v{suffix}', [frame], crf=0, color=color)
        with VideoReader(path) as reader:
            assert reader.color == color
            (frame,) = reader.images()
        assert psnr(frame, ramp) > 45
        assert np.abs((frame.astype(float) - ramp).mean(axis=(0, 1))).max() < 0.1


def test_full_range_video_is_read_as_such(tmp_path):
    colour = np.full((32, 32, 3), (200, 50, 90), np.uint8)
    with av.open(str(tmp_path / 'v.mkv'), 'w') as container:
        stream = container.add_stream('mjpeg', rate=25, options={'q:v': '1'})
        stream.width, stream.height, stream.pix_fmt = 32, 32, 'yuvj444p'
        container.mux(stream.encode(av.VideoFrame.from_ndarray(colour, 'rgb24')))
        container.mux(stream.encode())
    with VideoReader(tmp_path / 'v.mkv') as reader:
        (frame,) = reader.images()
    assert np.abs(frame.astype(int) - colour).max() <= 3


def test_another_decoder_sees_the_stated_colours(tmp_path):
    colour = np.full((32, 32, 3), (200, 50, 90), np.uint8)
    with av.open(str(written(tmp_path / 'v.mp4', [colour], crf=0))) as container:
        planes = next(container.decode(video=0)).to_ndarray()
    luma = 16 + 219 / 255 * (0.2126 * 200 + 0.7152 * 50 + 0.0722 * 90)  # BT.709, limited range
    assert abs(planes[0, 0] - luma) <= 1


def test_turned_videos_are_read_upright(tmp_path):
    frames = moving_frames(3, 48, 32)
    for rotation, quarter_turns in ((0, 0), (90, 1), (180, 2), (-90, 3)):
        path = write_video(tmp_path / f'{rotation}.mp4', frames, 25, rotation=rotation)
        with VideoReader(path) as reader:
            upright = [np.rot90(frame, quarter_turns) for frame in frames]
            assert (reader.height, reader.width) == upright[0].shape[:2]
            assert min(psnr(a, b) for a, b in zip(upright, reader.images())) > 30


def test_pixels_that_are_not_square_stay_so(tmp_path):
    path = written(tmp_path / 'v.mp4', moving_frames(2, 48, 32), pixel_aspect=Fraction(16, 11))
    with VideoReader(path) as reader:
        assert reader.pixel_aspect == Fraction(16, 11)


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
@pytest.mark.parametrize('audio', ['aac', 'flac'])
def test_audio_is_copied_packet_by_packet(tmp_path, suffix, audio):
    frames = moving_frames(50, 48, 32)
    source = write_video(tmp_path / 'source.mkv', frames, 25, audio=audio)
    path = written(tmp_path / f'v{suffix}', frames, 25, streams_from=source)
    before, after = audio_packets(source), audio_packets(path)
    assert len(before) > 20
    assert [data for _, data in after] == [data for _, data in before]
    assert max(abs(a - b) for (a, _), (b, _) in zip(after, before)) < 0.002


def test_audio_that_the_container_cannot_hold_is_refused_before_writing(tmp_path):
    frames = moving_frames(5, 48, 32)
    source = write_video(tmp_path / 'source.mov', frames, 25, audio='pcm_u8')
    with pytest.raises(UserError, match=r'v.mp4 cannot hold the audio of .*source.mov \(pcm_u8\)'):
        written(tmp_path / 'v.mp4', frames, 25, streams_from=source)
    assert [path.name for path in tmp_path.iterdir()] == ['source.mov']


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_what_is_not_finished_is_not_there(tmp_path, error):
    frames = moving_frames(20, 48, 32)
    earlier = written(tmp_path / 'v.mp4', frames)
    before = earlier.read_bytes()
    with pytest.raises(error), VideoWriter(earlier, NTSC, 48, 32) as writer:
        for frame in frames[:10]:
            writer.write(frame)
        raise error
    assert earlier.read_bytes() == before
    assert list(tmp_path.iterdir()) == [earlier]


def test_writer_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(UserError, match='v.gif: its extension must be one of .mp4'):
        VideoWriter(tmp_path / 'v.gif', NTSC, 48, 32)
    with pytest.raises(UserError, match='cannot write .*v.mp4: No such file'):
        written(tmp_path / 'none' / 'v.mp4', moving_frames(1, 48, 32))
    with pytest.raises(UserError, match='there is a folder of that name'):
        (tmp_path / 'folder.mp4').mkdir()
        VideoWriter(tmp_path / 'folder.mp4', NTSC, 48, 32)
    with pytest.raises(ValueError, match='expected uint8'), VideoWriter(tmp_path / 'v.mp4', NTSC, 48, 32) as writer:
        writer.write(np.zeros((48, 32, 3), np.uint8))


def test_reader_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f'video not found: none.mp4 .looked for {tmp_path}/none.mp4'):
        VideoReader('none.mp4')


@pytest.mark.parametrize(
    'contents', [b'', b'just a text\n' * 20, bytes(range(256)) * 40], ids=['empty', 'text', 'binary']
)
def test_reader_names_what_is_not_a_video(tmp_path, contents):
    path = tmp_path / 'v.mp4'
    path.write_bytes(contents)
    with pytest.raises(UserError, match='v.mp4 is not a video'):
        VideoReader(path)


def test_reader_names_files_without_video(tmp_path):
    with av.open(str(tmp_path / 'sound.mp4'), 'w') as container:
        stream = container.add_stream('aac', rate=48000)
        tone = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format='fltp', layout='stereo')
        tone.sample_rate = 48000
        container.mux(stream.encode(tone))
        container.mux(stream.encode())
    with pytest.raises(UserError, match='sound.mp4 has no video stream'):
        VideoReader(tmp_path / 'sound.mp4')


def cut(path, share):
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * share)])
    return path


def test_reader_refuses_a_file_whose_index_is_cut_off(tmp_path):
    path = cut(write_video(tmp_path / 'v.mp4', moving_frames(60, 96, 64), 25), 0.7)
    with pytest.raises(UserError, match='v.mp4 is not a video, or it is damaged'):
        VideoReader(path)


@pytest.mark.parametrize('name, options', [('v.mp4', {'movflags': 'faststart'}), ('v.mkv', {})])
def test_reader_names_the_frame_after_which_a_file_breaks_off(tmp_path, name, options):
    path = cut(write_video(tmp_path / name, moving_frames(60, 96, 64), 25, **options), 0.6)
    count = 0
    with pytest.raises(UserError, match=f'{name} breaks off .*after frame') as caught, VideoReader(path) as reader:
        for _ in reader:
            count += 1
    assert 0 < count < 60 and f'after frame {count}' in str(caught.value)


def test_reader_names_the_frame_after_which_a_file_is_damaged(tmp_path):
    path = write_video(tmp_path / 'v.mp4', moving_frames(60, 96, 64), 25)
    contents = bytearray(path.read_bytes())
    half = len(contents) // 2
    contents[half : half + 1000] = bytes(1000)
    path.write_bytes(contents)
    with pytest.raises(UserError, match=r'v.mp4 cannot be decoded after frame \d+'), VideoReader(path) as reader:
        list(reader)


def display_matrix(a, b, c, d, width, height):
    """The display matrix that takes (x, y) to (a x + c y, b x + d y), and the origin back to the corner."""
    unit, last = 1 << 16, 1 << 30
    x, y = (max(0, -(first * width + second * height)) for first, second in ((a, c), (b, d)))
    return [a * unit, b * unit, 0, c * unit, d * unit, 0, x * unit, y * unit, last]


@pytest.mark.parametrize(
    'matrix', [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]
)
@pytest.mark.parametrize('suffix', ['mp4', 'mov'])
def test_all_display_matrices_are_followed(tmp_path, matrix, suffix):
    frames = moving_frames(3, 48, 32)
    a, b, c, d = matrix
    path = tmp_path / f'v.{suffix}'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '5'})
        stream.width, stream.height, stream.pix_fmt = 48, 32, 'yuv420p'
        stream.set_display_matrix(display_matrix(*matrix, 48, 32))
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
        container.mux(stream.encode())
    # Pixel by pixel, as the standard defines it.
    width, height = (48, 32) if a else (32, 48)
    y, x = np.mgrid[:32, :48]
    shown_x, shown_y = (a * x + c * y) % width, (b * x + d * y) % height
    if -1 in (a + c, b + d):
        shown_x = shown_x if a + c == 1 else width - 1 - (-(a * x + c * y))
        shown_y = shown_y if b + d == 1 else height - 1 - (-(b * x + d * y))
    upright = np.zeros((height, width, 3), np.uint8)
    upright[shown_y, shown_x] = frames[1]
    with VideoReader(path) as reader:
        assert (reader.width, reader.height) == (width, height)
        image = list(reader.images())[1]
    assert psnr(image, upright) > 30
    assert psnr(read_frames(str(path), [1], 'v')[0], upright) > 30
