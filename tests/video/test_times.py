"""Every frame at its time and every sound at its distance to the frames, whatever the container."""

from fractions import Fraction

import av
import pytest

from pgtf_basicsr.video import VideoReader, VideoWriter

from ..helpers.videos import moving_frames, tone_packets

COUNT, SIZE, RATE = 30, (64, 48), 25
MILLISECOND = Fraction(1, 1000)
CONSTANT = [Fraction(index, RATE) for index in range(COUNT)]
# Times of the frames in seconds, when the sound begins, and packets of the video that are missing at the start.
KINDS = {
    'constant': (CONSTANT, 0, 0),
    'late sound': (CONSTANT, Fraction(13, 25), 0),
    'early sound': ([Fraction(2, 5) + time for time in CONSTANT], 0, 0),
    'late start': ([3 + time for time in CONSTANT], 3, 0),
    'cut between key frames': (CONSTANT, 0, 4),
    'gap': ([time for time in CONSTANT if not 9 < time * RATE < 16], 0, 0),
    'variable': ([time + Fraction(index**2 % 17, 500) + (index > 12) for index, time in enumerate(CONSTANT)], 0, 0),
}
# Suffix: encoders and unit of time.
CONTAINERS = {
    'mp4': ('libx264', 'aac', Fraction(1, 90000)),
    'mov': ('libx264', 'aac', Fraction(1, 90000)),
    'mkv': ('libx264', 'aac', Fraction(1, 1000)),
    'ts': ('libx264', 'aac', Fraction(1, 90000)),
    'avi': ('mpeg4', 'mp3', Fraction(1, RATE)),
    'webm': ('libvpx-vp9', 'libopus', Fraction(1, 1000)),
    'flv': ('libx264', 'aac', Fraction(1, 1000)),
}
OF_AVI = 'constant', 'cut between key frames'  # AVI states no times


def write_source(path, times, sound_from, missing, discarded=0):
    """Write frames at times with B-frames, a key frame in twelve, and sound; an edit list hides some seconds."""
    video_codec, audio_codec, time_base = CONTAINERS[path.suffix[1:]]
    with av.open(str(path), 'w') as container:
        options = {'bf': '2', 'g': '12', 'sc_threshold': '0', 'deadline': 'realtime', 'cpu-used': '8', 'q:v': '3'}
        video = container.add_stream(video_codec, rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = *SIZE, 'yuv420p'
        video.codec_context.time_base = time_base
        sound = container.add_stream(audio_codec, rate=48000)
        packets = []
        for image, time in zip(moving_frames(len(times), *SIZE), times):
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            frame.pts, frame.time_base = round((time - discarded) / time_base), time_base
            packets += video.encode(frame)
        packets = (packets + video.encode())[missing:]
        for packet in tone_packets(sound, 1.2):
            shift = round((sound_from - discarded) / packet.time_base)
            packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def restored(source, target):
    """What `restore` does, without a network."""
    lines = []
    with VideoReader(source, on_damage=lines.append) as reader:
        writer = VideoWriter(
            target, reader.rate, reader.width, reader.height, streams_from=source, time_base=reader.time_base
        )
        with writer:
            for frame in reader:
                writer.write(frame.image, frame.time)
    return [*writer.plan.dropped, *writer.plan.changed, *lines]


def measure(path):
    """Times of the frames as decoded and of the audio packets in seconds, and the bytes of the latter."""
    with av.open(str(path)) as container:
        container.flags &= ~1  # PyAV has FFmpeg make up time stamps, of AVI wrong ones
        frames, sound = [], []
        for packet in container.demux(container.streams.video[0], container.streams.audio[0]):
            if packet.stream.type == 'video':
                for frame in decode(packet):
                    stamp = frame.dts if frame.pts is None else frame.pts
                    frames.append(frames[-1] + Fraction(1, RATE) if stamp is None else stamp * frame.time_base)
            elif packet.pts is not None:
                header = 7 if container.format.name == 'mpegts' else 0  # ADTS
                sound.append((packet.pts * packet.time_base, bytes(packet)[header:]))
        return frames, [time for time, _ in sound], [data for _, data in sound]


def decode(packet):
    try:
        return packet.decode()
    except av.error.InvalidDataError:  # before the first key frame
        return []


def largest_shift(before, after):
    """Largest change of a distance between a frame and an audio packet, in seconds."""
    frames, sound = ([b - a for a, b in zip(*times, strict=True)] for times in zip(before[:2], after[:2]))
    return max(max(frames) - min(sound), max(sound) - min(frames))


TARGETS = 'mp4', 'mov', 'mkv'


@pytest.mark.parametrize('suffix', CONTAINERS)
@pytest.mark.parametrize('kind', KINDS)
def test_frames_and_sound_keep_their_times(tmp_path, kind, suffix):
    if suffix == 'avi' and kind not in OF_AVI:
        pytest.skip('AVI states no times')
    source = write_source(tmp_path / f'in.{suffix}', *KINDS[kind])
    before = measure(source)
    assert len(before[0]) > 15 and len(before[1]) > 40
    for target in (tmp_path / f'out.{name}' for name in TARGETS):
        if (suffix, target.suffix) == ('webm', '.mov'):
            continue  # MOV holds no Opus
        assert restored(source, target) == []
        after = measure(target)
        assert after[2] == before[2]
        assert largest_shift(before, after) <= MILLISECOND
        if suffix != 'ts':  # whose clock starts anywhere
            assert max(abs(b - a) for a, b in zip(before[0], after[0])) <= MILLISECOND
        if (kind, suffix) == ('variable', 'mp4'):
            assert before[0] == KINDS[kind][0] and (after[0] == before[0] or target.suffix == '.mkv')


@pytest.mark.parametrize('suffix', ['mp4', 'mov'])
def test_what_an_edit_list_cuts_off_stays_cut_off(tmp_path, suffix):
    source = write_source(tmp_path / f'in.{suffix}', CONSTANT, 0, 0, discarded=Fraction(9, 25))
    before = measure(source)
    assert before[0] == [Fraction(index - 9, RATE) for index in range(9, COUNT)]
    assert min(before[1]) < -Fraction(3, 10)
    for target in (tmp_path / f'out.{name}' for name in TARGETS):
        assert restored(source, target) == []
        frames, sound, data = measure(target)
        # Matroska cannot hide sound: what decoders need before the first that is heard comes along.
        first = before[2].index(data[0])
        assert first == 0 or (target.suffix == '.mkv' and -Fraction(1, 4) < before[1][first] < 0)
        assert data == before[2][first:]
        assert largest_shift((before[0], before[1][first:]), (frames, sound)) <= MILLISECOND
