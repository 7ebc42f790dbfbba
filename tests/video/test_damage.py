"""Damaged and joined files, absurd ones, names and playlists, and parts of files."""

from contextlib import nullcontext
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video import VideoReader, VideoWriter
from pgtf_basicsr.video.seeking import count_frames, read_frames

from ..helpers.videos import audio_packets, frame_times, moving_frames, psnr, write_video

COUNT, RATE, TS_PACKET = 40, 25, 188


def noisy_frames():
    noise = np.random.default_rng(0).normal(0, 25, (COUNT, 64, 96, 3))
    return [
        np.clip(frame + grain, 0, 255).astype(np.uint8) for frame, grain in zip(moving_frames(COUNT, 96, 64), noise)
    ]


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    """A transport stream whose frames are several of its packets long."""
    return write_video(tmp_path_factory.mktemp('ts') / 'in.ts', noisy_frames(), RATE, audio='mp2')


def read(path, **options):
    lines = []
    with VideoReader(path, on_damage=lines.append, **options) as reader:
        return list(reader), lines


def frame_starts(path):
    """Positions of the transport packets with which frames begin, in the order of decoding."""
    data = path.read_bytes()
    with av.open(str(path)) as container:
        pid = container.streams.video[0].id
    starts = range(0, len(data), TS_PACKET)
    return [
        start
        for start in starts
        if int.from_bytes(data[start + 1 : start + 3], 'big') & 0x1FFF == pid and data[start + 1] & 0x40
    ]


@pytest.mark.parametrize('damaged', [5, 12, 20, 30])
def test_the_first_frame_that_a_lost_packet_spoils_is_named(recording, tmp_path, damaged):
    data, start = recording.read_bytes(), frame_starts(recording)[damaged] + TS_PACKET
    (tmp_path / 'lost.ts').write_bytes(data[:start] + data[start + TS_PACKET :])
    whole, _ = read(recording)
    frames, lines = read(tmp_path / 'lost.ts')
    assert [frame.time for frame in frames] == [frame.time for frame in whole]
    spoiled = next(number for number, (a, b) in enumerate(zip(frames, whole)) if not np.array_equal(a.image, b.image))
    assert lines[0].startswith(
        f'{tmp_path}/lost.ts is damaged from frame {spoiled} ({float(frames[spoiled].time):.2f} s)'
    )
    with (
        pytest.raises(UserError, match='lost.ts breaks off or is damaged'),
        VideoReader(tmp_path / 'lost.ts') as reader,
    ):
        list(reader)


def test_recordings_joined_end_to_end_play_on_in_step(recording, tmp_path):
    source = tmp_path / 'joined.ts'
    source.write_bytes(2 * recording.read_bytes())
    frames, lines = read(source)
    assert len(frames) == 2 * COUNT
    assert lines == [
        f'{source} is made of recordings joined end to end: one begins at frame 40 ({float(frames[40].time):.2f} s)'
    ]
    with VideoWriter(tmp_path / 'out.mp4', RATE, 96, 64, streams_from=source, time_base=Fraction(1, 90000)) as writer:
        for frame in frames:
            writer.write(frame.image, frame.time)
    times, sound = frame_times(tmp_path / 'out.mp4'), [time for time, _ in audio_packets(tmp_path / 'out.mp4')]
    first = frame_times(recording)[0] - audio_packets(recording)[0][0]
    assert times[0] - sound[0] == pytest.approx(first, abs=1e-3)
    assert times[COUNT] - sound[len(sound) // 2] == pytest.approx(first, abs=1e-3)
    assert 1 / RATE <= times[COUNT] - times[COUNT - 1] < 0.2


def test_recordings_without_time_stamps_play_on(tmp_path):
    part = write_video(tmp_path / 'part.h264', moving_frames(10, 48, 32), RATE)
    (tmp_path / 'joined.h264').write_bytes(2 * part.read_bytes())
    frames, lines = read(tmp_path / 'joined.h264')
    assert lines == [] and [frame.time for frame in frames] == [Fraction(number, RATE) for number in range(20)]


def test_a_packet_that_cannot_be_decoded_is_read_past(tmp_path):
    path = write_video(tmp_path / 'v.mp4', noisy_frames(), RATE)
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][20]
    data = bytearray(path.read_bytes())
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    frames, lines = read(path)
    assert COUNT - 2 <= len(frames) <= COUNT
    assert all('v.mp4 is damaged from frame' in line for line in lines) and lines


def test_a_range_has_the_frames_of_the_whole(tmp_path):
    for name in ('v.mp4', 'v.mkv', 'v.ts', 'v.avi', 'v.h264'):
        path = write_video(tmp_path / name, moving_frames(60, 48, 32), RATE, audio=None)
        whole, _ = read(path)
        start, end = whole[23].time, whole[41].time
        part, lines = read(path, start=start, end=end)
        assert lines == [] and [frame.time for frame in part] == [frame.time for frame in whole[23:41]]
        assert min(psnr(a.image, b.image + 0.001) for a, b in zip(part, whole[23:41])) > 60
    with pytest.raises(UserError, match='no frame that can be decoded from 7 s'):
        read(path, start=Fraction(7))


def test_frames_of_gigabytes_are_refused(tmp_path):
    path = tmp_path / 'v.mkv'
    with av.open(str(path), 'w') as container:
        stream = container.add_mux_stream('ffv1', rate=RATE, width=12000, height=12000)
        packet = av.Packet(bytes(100))
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, RATE)
        container.mux(packet)
    with pytest.raises(UserError, match='v.mkv claims frames of 12000x12000 pixels; 134 million pixels can be read'):
        read(path)


def test_a_file_name_is_never_a_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret = write_video(tmp_path / 'secret.mp4', moving_frames(2, 48, 32), RATE)
    for name in ('concat:secret.mp4', 'file:secret.mp4', 'subfile,,start,0,end,0,,:secret.mp4', 'a%03d.mp4', 'http:x'):
        with pytest.raises(UserError, match='video not found'):
            VideoReader(name)
        with pytest.raises(UserError, match='cannot be decoded|is not a video'):
            read_frames(name, [0], name)
        Path(name).write_bytes(secret.read_bytes())
        assert len(read(name)[0]) == len(read_frames(name, [0, 1], name)) == count_frames(name) == 2
        Path(name).unlink()
        with VideoWriter(f'out-{name}', RATE, 48, 32) if name.endswith('.mp4') else nullcontext() as writer:
            if writer:
                writer.write(moving_frames(1, 48, 32)[0])
                assert not Path(f'out-{name}').exists()
        assert not name.endswith('.mp4') or Path(f'out-{name}').is_file()


@pytest.mark.parametrize(
    'playlist',
    [
        "ffconcat version 1.0\nfile 'secret.mp4'\n",
        '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsecret.mp4\n#EXT-X-ENDLIST\n',
        'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
    ],
)
@pytest.mark.parametrize('name', ['list.mp4', 'list.m3u8', 'list.txt', 'list.sdp'])
def test_playlists_open_no_other_files(tmp_path, monkeypatch, playlist, name):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / 'secret.mp4', moving_frames(2, 48, 32), RATE)
    Path(name).write_text(playlist)
    with pytest.raises(UserError, match=f'{name} is not a video, or it is damaged'):
        VideoReader(name)
    with pytest.raises(UserError, match=f'{name} is not a video, or it is damaged'):
        read_frames(BytesIO(playlist.encode()), [0], name)
