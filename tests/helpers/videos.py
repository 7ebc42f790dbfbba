"""Small real video files for the tests, made with real codecs."""

import av
import cv2
import numpy as np

AUDIO_RATE = 48000


def moving_frames(count, width, height):
    """Smooth colours with a bright disc that moves to the right; uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    ground = np.stack([60 + 120 * x, 60 + 120 * y, 160 - 80 * x], axis=-1)
    frames = []
    for index in range(count):
        frame = ground.astype(np.uint8)
        centre = (int(width * (index + 1) / (count + 1)), height // 2)
        frames.append(cv2.circle(frame, centre, min(width, height) // 5, (230, 200, 170), -1, cv2.LINE_AA))
    return frames


def write_video(path, frames, rate, audio=None, rotation=None, **options):
    """Write frames with PyAV alone, with a tone in the given audio codec, as long as the frames."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), 'w', options=options) as container:
        video = container.add_stream('libx264', rate=rate, options={'crf': '10'})
        video.width, video.height, video.pix_fmt = width, height, 'yuv420p'
        if rotation is not None:
            video.set_display_rotation(rotation)
        packets = (
            [] if audio is None else tone_packets(container.add_stream(audio, rate=AUDIO_RATE), len(frames) / rate)
        )
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, 'rgb24')))
        container.mux(video.encode())
        for packet in packets:
            container.mux(packet)
    return path


def tone_packets(stream, seconds):
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(AUDIO_RATE * seconds)) / AUDIO_RATE)
    stereo = np.tile(samples.astype(np.float32), (2, 1))
    tone = av.AudioFrame.from_ndarray(stereo, format='fltp', layout='stereo')
    tone.sample_rate, tone.pts = AUDIO_RATE, 0
    stream.codec_context.open()
    frame_size = stream.codec_context.frame_size or None
    resampler = av.AudioResampler(stream.format, stream.layout, AUDIO_RATE, frame_size)
    frames = resampler.resample(tone) + resampler.resample(None)
    return [packet for frame in [*frames, None] for packet in stream.encode(frame)]


def audio_packets(path):
    """Times in seconds and bytes of the packets of a file's audio."""
    with av.open(str(path)) as container:
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(container.streams.audio)
            if packet.dts is not None
        ]


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((np.float64(a) - np.float64(b)) ** 2))


def frame_times(path):
    """Times in seconds of the packets of a file's video, in the order of the frames."""
    with av.open(str(path)) as container:
        return sorted(
            float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.pts is not None
        )


def decoded(path):
    """Frames of a file's video as decoded, with their times in seconds."""
    with av.open(str(path)) as container:
        return [(frame.to_ndarray(), float(frame.pts * frame.time_base)) for frame in container.decode(video=0)]
