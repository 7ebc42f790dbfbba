"""What ``basicsr restore`` keeps of a file, or says: cut files, sound of AVI, fields, time codes, names."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.restoration.io import outputs
from pgtf_command import run_command

from ..helpers.crops import CROP
from ..helpers.small_networks import PGTFormer, build, write
from ..helpers.videos import audio_packets, decoded, frame_times, moving_frames, tone_packets, write_video
from ..video.test_deinterlacing import COUNT, write_fields
from ..video.test_joining import HELD, video_end, write_held

RATE = 25
MILLISECOND = 1e-3


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write(tmp_path_factory.mktemp('weights') / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())


@pytest.fixture
def restore(weights, tmp_path, monkeypatch, capsys):
    """Run ``basicsr restore`` in an empty folder; returns what it wrote to standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status=0):
        command = ['restore', *CROP, *map(str, arguments), '--weights', str(weights), '--size', '16', '--stride', '3']
        assert run_command(command) == status
        return capsys.readouterr().err

    return run


def test_a_file_that_breaks_off_is_refused_before_its_first_frame(restore, tmp_path):
    source = write_video(tmp_path / 'in.mkv', moving_frames(20, 48, 32), RATE, audio='aac')
    whole = source.read_bytes()
    source.write_bytes(whole[:-1])
    (line,) = refusal(restore(source, '-o', 'out.mkv', status=2))
    assert f'in.mkv breaks off: it has {len(whole) - 1} of the {len(whole)} bytes that it states; with --end' in line
    assert 'frames' not in line and [path.name for path in tmp_path.iterdir()] == ['in.mkv']
    restore(source, '-o', 'out.mkv', '--end', '0.4')
    assert len(frame_times('out.mkv')) == 10


def refusal(said):
    return [line for line in said.splitlines() if line.startswith('basicsr: ')]


# When frames and sound begin, in seconds.
STARTS = {'late sound': (0, 0.5), 'early sound': (0.43, 0), 'both late': (1, 1.25)}


@pytest.mark.parametrize('audio, tolerance', [('pcm_s16le', MILLISECOND), ('libmp3lame', 0.0125), ('ac3', 0.017)])
def test_sound_in_avi_keeps_its_distance_to_the_frames(restore, tmp_path, audio, tolerance):
    """To half of what AVI counts sound in: samples of PCM, packets of 24 ms of MP3, of 32 ms of AC-3."""
    for kind, (frames_from, sound_from) in STARTS.items():
        source = write_shifted(tmp_path / 'in.mkv', audio, frames_from, sound_from)
        restore(source, '-o', 'out.avi')
        (frames, sound, data), (frames_after, sound_after, data_after) = timing(source), timing('out.avi')
        # PCM is cut into packets anew.
        assert b''.join(data_after) == b''.join(data), kind
        moved = [after - before for before, after in zip(frames, frames_after, strict=True)]
        moved += [sound_after[0] - sound[0]] if audio == 'pcm_s16le' else np.subtract(sound_after, sound).tolist()
        assert max(moved) - min(moved) <= tolerance + MILLISECOND, kind


def write_shifted(path, audio, frames_from, sound_from):
    with av.open(str(path), 'w', container_options={'avoid_negative_ts': 'disabled'}) as container:
        video, sound = container.add_stream('libx264', rate=RATE), container.add_stream(audio, rate=48000)
        video.width, video.height, video.pix_fmt = 48, 32, 'yuv420p'
        video.options = {'bf': '0'}
        packets = [
            packet
            for image in moving_frames(12, 48, 32)
            for packet in video.encode(av.VideoFrame.from_ndarray(image, 'rgb24'))
        ]
        packets = [(packet, frames_from) for packet in packets + video.encode()]
        packets += [(packet, sound_from) for packet in tone_packets(sound, 0.48)]
        for packet, start in packets:
            ticks = round(start / packet.time_base)
            packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        for packet, _ in sorted(packets, key=lambda item: item[0].dts * item[0].time_base):
            container.mux(packet)
    return path


def timing(path):
    """Times of frames and of audio packets in seconds, and the bytes of the latter."""
    with av.open(str(path)) as container:
        container.flags &= ~1  # PyAV has FFmpeg make up time stamps of AVI
        frames, sound = [], []
        for packet in container.demux():
            stamp = packet.dts if packet.pts is None else packet.pts
            if packet.size and packet.stream.type == 'video':
                frames.append(float(stamp * packet.time_base))
            elif packet.size:
                sound.append((float(stamp * packet.time_base), bytes(packet)))
    return frames, [time for time, _ in sound], [data for _, data in sound]


@pytest.mark.parametrize('audio', ['adpcm_ms', 'adpcm_ima_wav', 'adpcm_yamaha'])
def test_adpcm_of_avi_stays_in_avi(restore, tmp_path, audio):
    source = write_video(tmp_path / 'in.avi', moving_frames(12, 48, 32), RATE, audio=audio)
    restore(source, '-o', 'out.avi')
    (before, after), names = map(audio_packets, (source, 'out.avi')), []
    assert [data for _, data in after] == [data for _, data in before]
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=MILLISECOND)
    for path in (source, 'out.avi'):
        with av.open(str(path)) as container:
            names.append((container.streams.audio[0].codec_context.name, container.streams.audio[0].sample_rate))
    assert names[0] == names[1]


@pytest.mark.parametrize(
    'order, target, options',
    [
        ('tff', 'out.mp4', []),
        ('bff', 'out.mp4', []),
        ('tff', 'out.mkv', ['--codec', 'ffv1']),
        ('bff', 'out.mov', ['--codec', 'prores']),
    ],
)
def test_fields_that_stay_are_stated(restore, tmp_path, order, target, options):
    write_fields(tmp_path / 'in.mp4', 'libx264', 'yuv420p', order)
    said = restore('in.mp4', '-o', target, '--deinterlace', 'off', *options)
    assert 'fields' not in said
    again = restore(target, '-o', 'progressive.mkv')
    assert 'the video is interlaced: it is deinterlaced' in again
    with av.open(target) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == COUNT and all(frame.interlaced_frame for frame in frames)


def test_fields_that_cannot_be_stated_are_named_first(restore, tmp_path):
    write_fields(tmp_path / 'in.mp4', 'libx264', 'yuv420p', 'tff')
    said = restore('in.mp4', '-o', 'out.webm', '--deinterlace', 'off')
    assert 'fields stay, but VP9 does not state that frames are interlaced' in said
    assert 'fields stay, but' not in restore('in.mp4', '-o', 'progressive.webm')


@pytest.mark.parametrize('faces', ['crop', 'all'])
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv'])
def test_the_last_frame_ends_with_the_sound_also_when_resumed(restore, tmp_path, monkeypatch, suffix, faces):
    write_held(tmp_path / f'in{suffix}', *HELD['a second each'])

    def fail(*arguments):
        raise UserError('the disk is full')

    with monkeypatch.context() as patched:
        patched.setattr(outputs, 'join_segments', fail)
        assert 'the disk is full' in restore(f'in{suffix}', '-o', f'out{suffix}', '--faces', faces, status=2)
    restore(f'in{suffix}', '-o', f'out{suffix}', '--faces', faces, '--resume')
    assert frame_times(f'out{suffix}') == [0, 1, 2, 3]
    assert video_end(Path(f'out{suffix}')) == pytest.approx(8, abs=MILLISECOND)
    with av.open(f'out{suffix}') as container:
        assert container.duration / av.time_base == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize('has_alpha', [True, False])
def test_alpha_is_named_once_and_in_the_summary(restore, tmp_path, caplog, has_alpha):
    channels, pixel_format = (4, 'yuva444p10le') if has_alpha else (3, 'yuv444p10le')
    (tmp_path / 'in').mkdir()
    with av.open('in.mov', 'w') as container:
        stream = container.add_stream('prores_ks', rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixel_format
        for number, image in enumerate(moving_frames(6, 48, 32)):
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            container.mux(stream.encode(frame.reformat(format=pixel_format)))
            opaque = np.full((32, 48, 1), 255, np.uint8)
            assert cv2.imwrite(f'in/{number}.png', np.dstack([image, opaque])[..., :channels])
        container.mux(stream.encode())
    for number, source in enumerate(('in.mov', 'in')):
        caplog.clear()
        said = restore(source, '-o', f'{number}.mkv')
        for lines in caplog.messages, said.splitlines():
            assert sum('alpha is dropped, frames become opaque' in line for line in lines) == has_alpha


@pytest.mark.parametrize('suffix', ['.mov', '.mkv'])
def test_a_part_has_the_time_code_of_its_first_frame(restore, tmp_path, suffix):
    rate = Fraction(30000, 1001)
    source = tmp_path / 'in.mov'
    with av.open(str(source), 'w') as container:
        video = container.add_stream('prores_ks', rate=rate)
        video.width, video.height, video.pix_fmt = 48, 32, 'yuv422p10le'
        video.metadata['timecode'] = '00:00:59;25'
        for image in moving_frames(9, 48, 32):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        container.mux(video.encode())
    for number, expected in (0, '00:00:59;25'), (4, '00:00:59;29'), (5, '00:01:00;02'):
        start = float((number - Fraction(1, 2)) / rate) if number else 0
        restore(source, '-o', f'out{suffix}', *(['--start', f'{start:.6f}'] if number else []))
        with av.open(f'out{suffix}') as container:
            tags = {name.lower(): value for name, value in container.streams.video[0].metadata.items()}
        assert tags['timecode'] == expected and len(frame_times(f'out{suffix}')) == 9 - number


def test_a_time_code_that_cannot_be_counted_is_named(restore, tmp_path):
    source = write_tagged(tmp_path / 'in.mkv', 'about noon')
    said = restore(source, '-o', 'out.mkv', '--start', '0.1')
    assert 'cannot hold, and drops' in said and 'the time code about noon, which is that of its first frame' in said
    assert 'drops' not in restore(source, '-o', 'whole.mkv')


def write_tagged(path, timecode):
    with av.open(str(path), 'w') as container:
        video = container.add_stream('libx264', rate=RATE)
        video.width, video.height, video.pix_fmt = 48, 32, 'yuv420p'
        video.metadata['timecode'] = timecode
        for image in moving_frames(5, 48, 32):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
        container.mux(video.encode())
    return path


@pytest.mark.parametrize('name', ['two\nlines', 'bell\x07', 'clear\x1b[2J', 'separated\u2028', 'no text \udcff'])
def test_names_break_no_line(restore, tmp_path, name):
    said = restore(f'{name}.mp4', '-o', 'out.mp4', status=2)
    shown = name.encode('unicode_escape').decode()
    assert len(refusal(said)) == 1 and f'{shown}.mp4' in refusal(said)[0] and said.isprintable() is False
    assert all(line.isprintable() for line in said.split('\n'))


def test_names_break_no_line_of_a_summary(restore, tmp_path, capsys):
    (tmp_path / 'videos').mkdir()
    write_video(tmp_path / 'videos' / 'a\nb.mp4', moving_frames(2, 32, 32), RATE, audio='aac')
    (tmp_path / 'videos' / 'c\nd.mp4').write_text('no video')
    said = restore('videos', '-o', 'restored', status=2)
    assert 'a\\nb.mp4: 2 frames' in said
    (line,) = [line for line in refusal(said) if 'failed' in line]
    assert 'c\\nd.mp4' in line and len(decoded(tmp_path / 'restored' / 'a\nb.mp4')) == 2


def test_a_frame_rate_is_for_images_alone(restore, tmp_path):
    write_video(tmp_path / 'in.mp4', moving_frames(2, 32, 32), RATE)
    for source in ('in.mp4', '.'):
        (line,) = refusal(restore(source, '-o', 'out', '--rate', '30', status=2))
        assert '--rate is for a folder of images' in line
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('empty', ['input', 'output', 'weights'])
def test_an_empty_argument_is_not_the_current_folder(tmp_path, monkeypatch, capsys, empty):
    monkeypatch.chdir(tmp_path)
    values = {'input': 'in.mp4', 'output': 'out.mp4', 'weights': 'w.pth', empty: ''}
    with pytest.raises(SystemExit) as end:
        run_command(['restore', values['input'], '-o', values['output'], '--weights', values['weights']])
    assert end.value.code == 2 and f'error: {empty} is empty' in capsys.readouterr().err
