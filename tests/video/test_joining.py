"""Segments of a video joined with the streams of its source."""

from fractions import Fraction

import av
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.joining import join_segments
from pgtf_basicsr.video.streams import plan_streams

from ..helpers.videos import audio_packets, moving_frames, psnr, write_video
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
