"""Broken and hostile video files by their seeds: truncated, fuzzed, mislabelled, and with absurd claims."""

import io
import random
import struct
import wave
import zipfile

import av
import numpy as np

from .videos import moving_frames

WIDTH, HEIGHT, FRAMES = 48, 32, 6
# Containers and codecs of whole files, by suffix.
WHOLE = {
    'mp4': ('mp4', 'libx264', 'yuv420p', 'aac'),
    'mov': ('mov', 'prores_ks', 'yuv422p10le', None),
    'mkv': ('matroska', 'libx264', 'yuv420p', 'aac'),
    'webm': ('webm', 'libvpx-vp9', 'yuv420p', None),
    'avi': ('avi', 'mpeg4', 'yuv420p', 'mp2'),
    'ts': ('mpegts', 'libx264', 'yuv420p', 'aac'),
    'flv': ('flv', 'flv', 'yuv420p', None),
    'mpg': ('mpeg', 'mpeg2video', 'yuv420p', None),
    'nut': ('nut', 'ffv1', 'yuv420p', None),
    'gif': ('gif', 'gif', 'rgb8', None),
}
ABSURD = (0, 1, 7, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1)
_made = {}


def whole(suffix):
    """A whole video file of a few frames."""
    if suffix not in _made:
        container_format, codec, pixels, audio = WHOLE[suffix]
        data = io.BytesIO()
        with av.open(data, 'w', format=container_format) as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
            sound = container.add_stream(audio, rate=48000) if audio else None
            for image in moving_frames(FRAMES, WIDTH, HEIGHT):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, 'rgb24')))
            container.mux(stream.encode())
            if sound is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), 'fltp', 'stereo')
                silence.sample_rate, silence.pts = 48000, 0
                resampler = av.AudioResampler(sound.format, sound.layout, 48000, sound.codec_context.frame_size or None)
                for frame in [*resampler.resample(silence), None]:
                    container.mux(sound.encode(frame))
        _made[suffix] = data.getvalue()
    return _made[suffix]


def hostile_file(seed):
    """Name and bytes of the file of a seed."""
    draw = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    suffix = draw.choice(sorted(WHOLE))
    data, suffix = kind(draw, suffix)
    return f'{seed:03d}_{kind.__name__.strip("_")}.{suffix}', data


def _truncated(draw, suffix):
    data = whole(suffix)
    return data[: draw.randrange(len(data))], suffix


def _fuzzed_header(draw, suffix):
    return _overwritten(draw, whole(suffix), 0, 600, draw.randrange(1, 12)), suffix


def _fuzzed_index(draw, suffix):
    data = whole(suffix)
    return _overwritten(draw, data, max(0, len(data) - 1500), len(data), draw.randrange(1, 12)), suffix


def _fuzzed_packets(draw, suffix):
    data = whole(suffix)
    return _overwritten(draw, data, 200, len(data), draw.randrange(1, 60)), suffix


def _shuffled(draw, suffix):
    data = whole(suffix)
    size = draw.choice((16, 188, 512))
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    for _ in range(draw.randrange(1, 5)):
        a, b = draw.randrange(len(blocks)), draw.randrange(len(blocks))
        change = draw.choice(('swap', 'drop', 'double', 'zero'))
        if change == 'swap':
            blocks[a], blocks[b] = blocks[b], blocks[a]
        elif change == 'drop':
            blocks[a] = b''
        elif change == 'double':
            blocks[a] *= 2
        else:
            blocks[a] = bytes(len(blocks[a]))
    return b''.join(blocks), suffix


def _absurd_numbers(draw, suffix):
    """Dimensions, rates, time scales and durations where headers have 16 or 32 bits for them."""
    data = bytearray(whole(suffix))
    known = [struct.pack('>I', WIDTH), struct.pack('<I', WIDTH), struct.pack('>H', WIDTH), struct.pack('<H', WIDTH)]
    known += [struct.pack('>I', HEIGHT), struct.pack('<I', HEIGHT), struct.pack('>HH', WIDTH, HEIGHT)]
    known += [struct.pack('>I', value) for value in (12800, 48000, 1000, 512, 90000)]
    places = [(at, len(value)) for value in known for at in _all(bytes(data), value)]
    for at, length in draw.sample(places, min(len(places), draw.randrange(1, 4))):
        value = draw.choice(ABSURD) & (2 ** (8 * length) - 1)
        data[at : at + length] = value.to_bytes(length, draw.choice(('big', 'little')))
    return bytes(data), suffix


def _absurd_times(draw, suffix):
    """Packets at times that jump, go back, repeat, and lie centuries away."""
    suffix = draw.choice(('mp4', 'mkv', 'ts', 'nut', 'flv'))
    container_format = WHOLE[suffix][0]
    data = io.BytesIO()
    with av.open(io.BytesIO(whole('mkv'))) as source, av.open(data, 'w', format=container_format) as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        last = 0
        for packet in source.demux(video):
            if not packet.size:
                continue
            last += draw.choice((1, 40, 4000, 2**31, 2**40))
            packet.dts = last
            packet.pts = last + draw.choice((0, 0, 40, 2**33))
            packet.stream = copy
            try:
                target.mux(packet)
            except av.FFmpegError:
                break
    return data.getvalue(), suffix


def _mislabelled(draw, suffix):
    return whole(suffix), draw.choice([other for other in WHOLE if other != suffix])


def _joined(draw, suffix):
    return whole(suffix) + whole(draw.choice(sorted(WHOLE))), suffix


def _other_things(draw, suffix):
    """Files of other kinds, empty ones, playlists that name other files, and small files that claim gigabytes."""
    archive, sound = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('a.mp4', whole('mp4'))
    with wave.open(sound, 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4000))
    giant = struct.pack('>IIBBBBB', 100000, 100000, 8, 2, 0, 0, 0)
    things = [
        b'',
        b'\n' * 100,
        bytes(5000),
        draw.randbytes(20000),
        archive.getvalue(),
        sound.getvalue(),
        b'%PDF-1.4\n' + draw.randbytes(3000),
        b'1\n00:00:00,000 --> 00:00:02,000\nsubtitles\n',
        b'ffconcat version 1.0\nfile /etc/passwd\n',
        b'#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n',
        b'#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://127.0.0.1:9/x.m3u8\n',
        b'v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
        b'YUV4MPEG2 W100000 H100000 F25:1 Ip C420\nFRAME\n' + bytes(1000),
        b'YUV4MPEG2 W11000 H11000 F25:1 Ip C420\nFRAME\n' + bytes(1000),
        b'YUV4MPEG2 W16 H16 F0:0 Ip C420\nFRAME\n' + bytes(384),
        b'YUV4MPEG2 W16 H16 F1:4000000000 Ip C420\nFRAME\n' + bytes(384),
        b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + giant + bytes(500),
        b'BM' + struct.pack('<IHHIIiiHHIIiiII', 60, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(90),
        b'RIFF' + struct.pack('<I', 2**32 - 1) + b'AVI LIST' + struct.pack('<I', 2**32 - 1) + b'hdrl' + bytes(100),
        b'\x1aE\xdf\xa3' + b'\xff' * 200,
        struct.pack('>I', 1) + b'ftyp' + struct.pack('>Q', 2**63) + bytes(100),
        b'GIF89a' + struct.pack('<HH', 65535, 65535) + bytes(300),
    ]
    return draw.choice(things), draw.choice(('mp4', 'mkv', 'avi', suffix, 'm3u8'))


def _overwritten(draw, data, first, last, count):
    data = bytearray(data)
    for _ in range(count):
        data[draw.randrange(first, min(last, len(data)))] = draw.choice((0, 0xFF, draw.randrange(256)))
    return bytes(data)


def _all(data, value):
    at = data.find(value)
    while at >= 0:
        yield at
        at = data.find(value, at + 1)


KINDS = [
    _truncated,
    _fuzzed_header,
    _fuzzed_index,
    _fuzzed_packets,
    _shuffled,
    _absurd_numbers,
    _absurd_times,
    _mislabelled,
    _joined,
    _other_things,
]
