"""Segments of a video joined with the streams of its source."""

from fractions import Fraction

import av
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.joining import join_segments
from pgtf_basicsr.video.streams import plan_streams

from ..helpers.videos import audio_packets, moving_frames, psnr, tone_packets, write_video
from .test_times import CONTAINERS, KINDS, MILLISECOND, largest_shift, measure, write_source


def write_segments(frames, lengths, folder, time_base):
    """Encode frames as segments of some lengths, each by an encoder of its own, with B-frames."""
    paths = []
    for number, length in enumerate(lengths):
        paths.append(folder / f'{number}.nut')
        part, frames = frames[:length], frames[length:]
        with av.open(str(paths[-1]), 'w', container_options={'avoid_negative_ts': 'disabled'}) as container:
            stream = container.add_stream('libx264', rate=25, options={'crf': '1', 'bf': '3', 'b_strategy': '0'})
            stream.height, stream.width = part[0].image.shape[:2]
            stream.pix_fmt, stream.codec_context.time_base = 'yuv420p', time_base
            for frame in part:
                encoded = av.VideoFrame.from_ndarray(frame.image, 'rgb24')
                encoded.pts, encoded.time_base = int(frame.time / time_base), time_base
                container.mux(stream.encode(encoded))
            container.mux(stream.encode())
    assert not frames
    return paths


@pytest.mark.parametrize('target', ['out.mp4', 'out.mov', 'out.mkv'])
@pytest.mark.parametrize('kind', ['constant', 'variable', 'early sound', 'cut between key frames'])
def test_segments_are_joined_as_if_encoded_at_once(tmp_path, kind, target):
    source = write_source(tmp_path / 'in.mp4', *KINDS[kind])
    with VideoReader(source) as reader:
        frames, time_base, rate = list(reader), reader.time_base, reader.rate
    segments = write_segments(frames, (1, 7, 2, len(frames) - 10), tmp_path, time_base)
    join_segments(segments, tmp_path / target, plan_streams(source, tmp_path / target), rate)
    before, after = measure(source), measure(tmp_path / target)
    assert after[2] == before[2] and largest_shift(before, after) <= MILLISECOND
    assert after[0] == before[0] or target == 'out.mkv'
    with VideoReader(tmp_path / target) as reader:
        assert min(psnr(a.image, b) for a, b in zip(frames, reader.images(), strict=True)) > 40
    with av.open(str(tmp_path / target)) as container:
        stamps = [packet.dts * packet.time_base for packet in container.demux(video=0) if packet.dts is not None]
        assert stamps == sorted(set(stamps))


@pytest.mark.parametrize('target', ['out.mp4', 'out.mkv'])
def test_a_range_begins_at_zero_with_its_sound(tmp_path, target):
    start, end = Fraction(2, 5), Fraction(4, 5)
    source = write_source(tmp_path / 'in.mp4', *KINDS['constant'])
    with VideoReader(source, start, end) as reader:
        frames, time_base = list(reader), reader.time_base
    segments = write_segments(frames, (4, 6), tmp_path, time_base)
    join_segments(segments, tmp_path / target, plan_streams(source, tmp_path / target, start, end))
    times, sound, _ = measure(tmp_path / target)
    assert times == [Fraction(number, 25) for number in range(10)]
    expected = [time - start for time, _ in exact_packets(source) if start <= time < end]
    assert max(abs(a - b) for a, b in zip(sound, expected, strict=True)) <= MILLISECOND


def exact_packets(path):
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, packet) for packet in container.demux(audio=0) if packet.pts is not None
        ]


def write_held(path, times, end, b_frames=0):
    """Write frames at times, the last of which is shown to an end, with sound to that end."""
    time_base, rate = Fraction(1, 1000), 25
    with av.open(str(path), 'w') as container:
        video = container.add_stream('libx264', rate=rate, options={'bf': str(b_frames), 'b_strategy': '0'})
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        video.codec_context.time_base = time_base
        packets = tone_packets(container.add_stream('aac', rate=48000), float(end))
        for image, time in zip(moving_frames(len(times), 64, 48), times):
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            frame.pts, frame.time_base = int(time / time_base), time_base
            packets += video.encode(frame)
        packets += video.encode()
        shown = [packet for packet in packets if packet.stream is video]
        for last in max(shown, key=lambda packet: packet.pts), shown[-1]:
            last.duration = int(end / time_base) - last.pts
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


# Times of frames, and when the last one ends.
HELD = {
    'a second each': ([Fraction(index) for index in range(4)], Fraction(8)),
    'held at the end': ([Fraction(index, 25) for index in range(12)], Fraction(3)),
    'a pause before': ([Fraction(index, 25) for index in (0, 1, 2, 3, 75, 76, 77)], Fraction(8)),
    'short at the end': ([Fraction(index) for index in range(4)], Fraction(13, 4)),
    'late start': ([2 + Fraction(index) for index in range(4)], Fraction(10)),
}


def video_end(path):
    """When the frames of a file end by what it states, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if path.suffix in ('.mp4', '.mov'):
            return float((stream.start_time + stream.duration) * stream.time_base)
        return max(float((p.pts + p.duration) * p.time_base) for p in container.demux(stream) if p.size)


@pytest.mark.parametrize('b_frames', [0, 2])
@pytest.mark.parametrize('kind', HELD)
@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv'])
def test_the_last_frame_ends_when_it_did(tmp_path, suffix, kind, b_frames):
    times, end = HELD[kind]
    source = write_held(tmp_path / f'in{suffix}', times, end, b_frames)
    assert video_end(source) == pytest.approx(float(end), abs=1e-3)
    with VideoReader(source) as reader:
        frames, time_base, rate = list(reader), reader.time_base, reader.rate
        assert float(reader.end) == pytest.approx(float(end), abs=1e-3)
    assert [frame.time for frame in frames] == times
    segments = write_segments(frames, (2, len(frames) - 2), tmp_path, time_base)
    for target in (tmp_path / f'out{name}' for name in ('.mp4', '.mov', '.mkv')):
        join_segments(segments, target, plan_streams(source, target), rate, end=reader.end)
        assert video_end(target) == pytest.approx(float(end), abs=1e-3)
        with VideoReader(target) as again:
            assert [frame.time for frame in again] == times
        assert again.end == reader.end


def test_a_held_frame_that_is_decoded_long_before_does_not_look_cut_off(tmp_path):
    times, end = HELD['a pause before']
    source = write_held(tmp_path / 'in.mkv', times, end)
    with VideoReader(source) as reader:
        frames, time_base, rate = list(reader), reader.time_base, reader.rate
    segments = write_segments(frames, (2, 5), tmp_path, time_base)
    join_segments(segments, tmp_path / 'out.mkv', plan_streams(None, tmp_path / 'out.mkv'), rate, end=reader.end)
    with VideoReader(tmp_path / 'out.mkv') as again:
        assert [frame.time for frame in again] == times
    assert again.end == end


def test_avi_counts_no_frame_that_is_not_there(tmp_path):
    times, end = HELD['held at the end']
    source = write_held(tmp_path / 'in.mp4', times, end)
    with VideoReader(source) as reader:
        segments = write_segments(list(reader), (len(times) - 1, 1), tmp_path, reader.time_base)
    target, files = tmp_path / 'out.avi', []
    for stated in None, reader.end:
        join_segments(segments, target, plan_streams(None, target), Fraction(25), end=stated)
        files.append(target.read_bytes())
    assert files[0] == files[1]


@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv'])
@pytest.mark.parametrize('rate', [25, Fraction(30000, 1001), Fraction(24000, 1001)])
def test_an_end_by_the_frame_rate_changes_no_byte(tmp_path, suffix, rate):
    source = write_video(tmp_path / f'in{suffix}', moving_frames(30, 48, 32), rate, audio='aac')
    with VideoReader(source) as reader:
        frames, time_base = list(reader), reader.time_base
    assert reader.end is not None
    segments = write_segments(frames, (20, 9, 1), tmp_path, time_base)
    for target in (tmp_path / f'out{name}' for name in ('.mp4', '.mov', '.mkv')):
        files, durations = [], []
        for end in None, reader.end:
            join_segments(segments, target, plan_streams(source, target), reader.rate, end=end)
            files.append(target.read_bytes())
            with av.open(str(target)) as container:
                durations.append([container.duration, *(packet.duration for packet in container.demux())])
        assert durations[0] == durations[1] and len(files[0]) == len(files[1])
        assert target.suffix == '.mkv' or files[0] == files[1]  # Matroska numbers its tracks at random


def test_sound_that_goes_on_for_long_after_the_frames_is_complete(tmp_path):
    frames = moving_frames(3, 48, 32)
    source = write_video(tmp_path / 'in.mkv', frames + frames[-1:] * 200, 25, audio='flac')
    with VideoReader(source) as reader:
        some = list(reader)[:3]
    segments = write_segments(some, (3,), tmp_path, MILLISECOND)
    join_segments(segments, tmp_path / 'out.mkv', plan_streams(source, tmp_path / 'out.mkv'))
    assert audio_packets(tmp_path / 'out.mkv') == audio_packets(source)


def test_what_cannot_be_joined_leaves_nothing(tmp_path):
    source = write_source(tmp_path / 'in.mp4', *KINDS['constant'])
    (tmp_path / 'bad.nut').write_bytes(b'not a video')
    with pytest.raises(UserError, match='bad.nut is not a video'):
        join_segments([tmp_path / 'bad.nut'], tmp_path / 'out.mp4', plan_streams(source, tmp_path / 'out.mp4'))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['bad.nut', 'in.mp4']


def test_unknown_containers_are_named(tmp_path):
    with pytest.raises(UserError, match='cannot write .*out.gif: its extension must be one of .mp4'):
        plan_streams(None, tmp_path / 'out.gif')
    assert set(CONTAINERS) >= {'mp4', 'mov', 'mkv'}
