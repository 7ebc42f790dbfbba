"""With a network that changes nothing and a lossless codec, every sample and every time comes back as it was."""

from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.restoration.modes import crop

from ..helpers.crops import restore_crop
from ..helpers.small_networks import PGTFormer, build, write

SIZE, LENGTH = 64, 6
TIME_BASE = Fraction(1, 90000)
FULL, LIMITED = 2, 1
FORMATS = [
    *(('yuv420p', LIMITED), ('yuv422p', LIMITED), ('yuv444p', LIMITED), ('yuv420p', FULL), ('yuv444p', FULL)),
    *(('yuv420p10le', LIMITED), ('yuv422p10le', LIMITED), ('yuv444p10le', LIMITED)),
]


def colours(width, height, phase, low, high):
    """Waves between two values, which differ along both sides and from frame to frame."""
    y, x = np.mgrid[:height, :width]
    wave = np.sin(2 * np.pi * (x / width + phase)) * np.cos(2 * np.pi * (y / height - phase / 2))
    return (low + (high - low) * (1 + wave) / 2).round()


def write_source(path, pixels, color_range):
    """Write frames of colours that RGB has, at uneven times; returns the planes and times."""
    depth = 10 if '10' in pixels else 8
    scale, dtype = 2 ** (depth - 8), np.uint16 if depth > 8 else np.uint8
    written = []
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('ffv1', rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, pixels
        context = stream.codec_context
        context.time_base = TIME_BASE
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, color_range, 1, 1
        for number in range(LENGTH):
            frame = av.VideoFrame(SIZE, SIZE, pixels)
            frame.color_range, frame.colorspace = color_range, 1
            planes = []
            for index, plane in enumerate(frame.planes):
                low, high = (80, 170) if index == 0 else (105, 150)
                values = colours(plane.width, plane.height, number / 20 + index / 3, low * scale, high * scale)
                lines = np.zeros((plane.height, plane.line_size // dtype().itemsize), dtype)
                lines[:, : plane.width] = values
                plane.update(lines)
                planes.append(values)
            frame.pts, frame.time_base = 90 * (1000 * number**2 // 25), TIME_BASE
            written.append((planes, frame.pts * TIME_BASE))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return written


def read(path):
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            dtype = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
            planes = [np.frombuffer(p, dtype).reshape(p.height, -1)[:, : p.width] for p in frame.planes]
            found.append(([plane.astype(float) for plane in planes], frame.pts * frame.time_base))
    return found


@pytest.mark.parametrize('suffix, codec', [('.mkv', 'ffv1'), ('.mp4', 'h264')])
@pytest.mark.parametrize('pixels, color_range', FORMATS, ids=[f'{name}-{range_}' for name, range_ in FORMATS])
def test_samples_and_times(tmp_path, monkeypatch, pixels, color_range, suffix, codec):
    weights = write(tmp_path / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())
    monkeypatch.setattr(crop, 'restore_frames', lambda net, frames, *args, **options: iter(frames))
    expected = write_source(tmp_path / 'in.mkv', pixels, color_range)
    options = dict(codec=codec, lossless=codec != 'ffv1', size=SIZE)
    restore_crop(tmp_path / 'in.mkv', tmp_path / f'out{suffix}', weights, **options)
    found = read(tmp_path / f'out{suffix}')
    assert [time for _, time in found] == pytest.approx([time for _, time in expected], abs=1e-3)
    for plane in range(3):
        differences = [ours[plane] - theirs[plane] for (ours, _), (theirs, _) in zip(found, expected, strict=True)]
        assert np.abs(differences).max() <= 1 and abs(np.mean(differences)) < 0.01
