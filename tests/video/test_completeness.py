"""Files that are shorter than their container says, cut anywhere, also where all of the video is there."""

from io import BytesIO

import av
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.video import VideoReader
from pgtf_basicsr.video.completeness import missing_end

from ..helpers.videos import frame_times, moving_frames, tone_packets

COUNT, RATE = 20, 25
# Suffix: muxer, encoders, options. What lies after the frames and the sound of the last four can be missing.
CONTAINERS = {
    'mkv': ('matroska', 'libx264', 'aac', {}),
    'webm': ('webm', 'libvpx-vp9', 'libopus', {}),
    'mp4': ('mp4', 'libx264', 'aac', {'movflags': 'faststart'}),
    'mov': ('mov', 'libx264', 'pcm_s16le', {'movflags': 'faststart'}),
    'avi': ('avi', 'mpeg4', 'mp3', {}),
    'wmv': ('asf', 'wmv2', 'wmav2', {}),
    'mxf': ('mxf', 'mpeg2video', 'pcm_s16le', {}),
}


def write(file, suffix, sound_lasts=COUNT / RATE):
    muxer, video_codec, audio_codec, options = CONTAINERS[suffix]
    with av.open(file, 'w', format=muxer, container_options=options) as container:
        video = container.add_stream(video_codec, rate=RATE, options={'deadline': 'realtime', 'cpu-used': '8'})
        video.width, video.height, video.pix_fmt = 64, 48, 'yuv420p'
        sound = container.add_stream(audio_codec, rate=48000)
        sound.bit_rate = 64000
        packets = [
            packet
            for image in moving_frames(COUNT, 64, 48)
            for packet in video.encode(av.VideoFrame.from_ndarray(image, 'rgb24'))
        ]
        packets += video.encode() + tone_packets(sound, sound_lasts)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


def position_after(path, last, kind):
    """Where a packet ends, counted from the end of those of a kind."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size and packet.stream.type == kind]
        return packets[last].pos + packets[last].size


@pytest.mark.parametrize('suffix', CONTAINERS)
def test_wherever_a_file_is_cut_it_is_said_what_is_missing(tmp_path, suffix):
    path = tmp_path / f'v.{suffix}'
    write(str(path), suffix, sound_lasts=1.2)
    whole = path.read_bytes()
    assert missing_end(path) is None
    last_frame, last_sound = position_after(path, -1, 'video'), position_after(path, -1, 'audio')
    # MXF has the sound of the last frames; others have sound after them.
    end = max(last_frame, last_sound)
    for length in {min(last_frame + 40, end - 1), end - 1, len(whole) * 2 // 3, len(whole) // 2}:
        path.write_bytes(whole[:length])
        assert missing_end(path).startswith(f'it has {length} of the '), length
        stated = int(missing_end(path).split()[5])
        assert end <= stated <= len(whole)
        with pytest.raises(UserError, match=r'breaks off .*after frame \d+'), VideoReader(path) as reader:
            list(reader)


@pytest.mark.parametrize('suffix', ['mkv', 'avi', 'mp4', 'wmv'])
def test_what_was_recorded_live_states_no_length(tmp_path, suffix):
    """The headers of what cannot be rewritten say nothing, or stand before each part."""

    class Live(BytesIO):
        seekable = property()
        seek = property()

    live = Live()
    options = CONTAINERS[suffix][3]
    options = {'movflags': 'frag_keyframe+empty_moov'} if suffix == 'mp4' else options
    CONTAINERS['live'] = (*CONTAINERS[suffix][:3], options)
    try:
        write(live, 'live')
    finally:
        del CONTAINERS['live']
    path = tmp_path / f'v.{suffix}'
    path.write_bytes(live.getvalue())
    assert missing_end(path) is None and len(frame_times(path)) == COUNT


@pytest.mark.parametrize(
    'data', [b'', b'x', b'RIFF', b'\x1a\x45\xdf\xa3', b'\0\0\0\x01mdat', bytes(100), b'\xff' * 100]
)
def test_headers_that_are_none_state_nothing(tmp_path, data):
    (tmp_path / 'v').write_bytes(data)
    assert missing_end(tmp_path / 'v') is None
