"""Sound, subtitles, chapters, attachments, covers and tags on their way into other containers."""

from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video import VideoReader, VideoWriter
from pgtf_basicsr.video.streams import plan_streams

from ..helpers.videos import audio_packets, moving_frames, tone_packets, write_video

MILLISECONDS = Fraction(1, 1000)
FORCED, DEFAULT, COVER = 64, 1, 1024


def copied(source, target):
    with VideoReader(source) as reader:
        writer = VideoWriter(
            target, reader.rate, reader.width, reader.height, streams_from=source, time_base=reader.time_base
        )
        with writer:
            for frame in reader:
                writer.write(frame.image, frame.time)
    return writer.plan


def cover():
    context = av.CodecContext.create('png', 'w')
    context.width, context.height, context.pix_fmt, context.time_base = 16, 16, 'rgb24', Fraction(1, 25)
    return b''.join(map(bytes, context.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), 'rgb24'))))


@pytest.fixture(scope='module')
def rich(tmp_path_factory):
    """A Matroska file with all that it can hold."""
    path = tmp_path_factory.mktemp('rich') / 'film.mkv'
    with av.open(str(path), 'w', container_options={'default_mode': 'passthrough'}) as container:
        container.metadata.update(title='Our film', ARTIST='Ann', DATE='1999', SHELF='B4')
        video = container.add_stream('libx264', rate=25)
        video.width, video.height, video.pix_fmt = 48, 32, 'yuv420p'
        video.metadata['language'] = 'ger'
        sounds = [container.add_stream('aac', rate=48000) for _ in range(2)]
        subtitles = container.add_mux_stream('subrip')
        subtitles.time_base = MILLISECONDS
        for stream, language, flags in zip((*sounds, subtitles), ('eng', 'ger', 'ita'), (0, DEFAULT, FORCED)):
            stream.metadata['language'], stream.disposition = language, flags
        sounds[1].metadata['title'] = 'Commentary'
        container.add_attachment('face.ttf', 'application/x-truetype-font', b'a font')
        container.add_attachment('cover.png', 'image/png', cover())
        container.set_chapters(
            [
                {'id': number, 'start': 400 * number, 'end': 400 * (number + 1), 'time_base': MILLISECONDS}
                | {'metadata': {'title': f'Part {number}'}}
                for number in range(2)
            ]
        )
        packets = [packet for image in moving_frames(20, 48, 32) for packet in encode(video, image)] + video.encode()
        packets += tone_packets(sounds[0], 0.8) + tone_packets(sounds[1], 0.8)
        for text, start in (b'Buon giorno', 100), (b'<i>Ciao</i>', 500):
            packet = av.Packet(text)
            packet.stream, packet.time_base = subtitles, MILLISECONDS
            packet.pts = packet.dts = start
            packet.duration, packet.is_keyframe = 200, True
            packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def encode(video, image):
    return video.encode(av.VideoFrame.from_ndarray(image, 'rgb24'))


def contents(path):
    """Kinds, codecs, languages, titles and flags of streams; chapters; tags in lower case; texts of subtitles."""
    with av.open(str(path)) as container:
        streams = [
            (
                stream.type,
                stream.codec_context.name if stream.codec_context else None,
                stream.metadata.get('language'),
                stream.metadata.get('title', stream.metadata.get('name')),
                stream.disposition.value,
            )
            for stream in container.streams
            if stream.name != 'bin_data'  # the track of the chapters
        ]
        chapters = [
            (chapter['start'] * chapter['time_base'], chapter['metadata']['title']) for chapter in container.chapters()
        ]
        tags = {name.lower(): value for name, value in container.metadata.items()}
        texts = [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in container.demux(*container.streams.subtitles)
            if packet.size > 2
        ]
    return streams, chapters, tags, texts


PARTS = [(0, 'Part 0'), (Fraction(2, 5), 'Part 1')]


def test_matroska_keeps_everything(rich, tmp_path):
    plan = copied(rich, tmp_path / 'out.mkv')
    assert plan.dropped == plan.changed == ()
    streams, chapters, tags, texts = contents(tmp_path / 'out.mkv')
    assert streams == [
        ('video', 'h264', 'ger', None, 0),
        ('audio', 'aac', 'eng', None, 0),
        ('audio', 'aac', 'ger', 'Commentary', DEFAULT),
        ('subtitle', 'srt', 'ita', None, FORCED),
        ('attachment', None, None, None, 0),
        ('video', 'png', None, None, COVER),
    ]
    assert chapters == PARTS and texts == contents(rich)[3]
    assert {'title': 'Our film', 'artist': 'Ann', 'date': '1999', 'shelf': 'B4'}.items() <= tags.items()
    with av.open(str(tmp_path / 'out.mkv')) as container:
        (font,) = container.streams.attachments
        assert (font.name, font.mimetype, font.data) == ('face.ttf', 'application/x-truetype-font', b'a font')
    assert audio_packets(tmp_path / 'out.mkv') == audio_packets(rich)


def test_mp4_keeps_what_it_can_and_says_what_not(rich, tmp_path):
    plan = copied(rich, tmp_path / 'out.mp4')
    assert plan.dropped == (
        f'.mp4 cannot hold, and drops, of {rich}: attachment face.ttf (.mkv can)',
        f'.mp4 cannot hold, and drops, of {rich}: the tag SHELF',
    )
    assert plan.changed == (f'subtitles 1 (ita, srt) of {rich} become plain text in .mp4',)
    streams, chapters, tags, texts = contents(tmp_path / 'out.mp4')
    assert streams[1:] == [
        ('audio', 'aac', 'eng', None, 0),
        ('audio', 'aac', 'ger', 'Commentary', DEFAULT),
        ('subtitle', 'mov_text', 'ita', None, FORCED | DEFAULT),
        ('video', 'png', None, None, COVER),
    ]
    assert streams[0][:3] == ('video', 'h264', 'ger')
    assert chapters == PARTS
    assert {'title': 'Our film', 'artist': 'Ann', 'date': '1999'}.items() <= tags.items()
    assert texts == [(Fraction(1, 10), b'\0\x0bBuon giorno'), (Fraction(1, 2), b'\0\4Ciao')]


@pytest.mark.parametrize(
    'audio, suffix', [('adpcm_ms', 'avi'), ('adpcm_ima_wav', 'avi'), ('pcm_s16le', 'mov'), ('mp3', 'avi')]
)
def test_matroska_holds_the_audio_of_other_containers(tmp_path, audio, suffix):
    source = write_video(tmp_path / f'in.{suffix}', moving_frames(10, 48, 32), 25, audio=audio)
    copied(source, tmp_path / 'out.mkv')
    assert [data for _, data in audio_packets(tmp_path / 'out.mkv')] == [data for _, data in audio_packets(source)]
    with av.open(str(tmp_path / 'out.mkv')) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 0.3 * 48000


def test_advice_is_true(tmp_path):
    source = write_video(tmp_path / 'in.mov', moving_frames(5, 48, 32), 25, audio='pcm_u8')
    complaint = r'out.mp4 cannot hold the audio of .*in.mov \(pcm_u8\): .mov and .mkv and .avi can'
    with pytest.raises(UserError, match=complaint):
        plan_streams(source, tmp_path / 'out.mp4')
    for suffix in ('.mov', '.mkv'):
        copied(source, tmp_path / f'out{suffix}')
        assert audio_packets(tmp_path / f'out{suffix}')[0][1] == audio_packets(source)[0][1]


def test_a_time_code_is_kept(tmp_path):
    source = tmp_path / 'in.mov'
    with av.open(str(source), 'w') as container:
        video = container.add_stream('libx264', rate=25)
        video.width, video.height, video.pix_fmt = 48, 32, 'yuv420p'
        video.metadata['timecode'] = '10:20:30:05'
        container.metadata['com.apple.quicktime.make'] = 'Camera'
        container.mux([packet for image in moving_frames(5, 48, 32) for packet in encode(video, image)])
        container.mux(video.encode())
    for suffix in ('.mov', '.mp4', '.mkv'):
        assert copied(source, tmp_path / f'out{suffix}').dropped == ()
        with av.open(str(tmp_path / f'out{suffix}')) as container:
            tags = {name.lower(): value for name, value in container.streams.video[0].metadata.items()}
            assert tags['timecode'] == '10:20:30:05' and len(container.streams.video) == 1
