from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from pgtf_basicsr.data.degradation import Degradation, DegradationRanges, code_and_decode, gaussian_kernel
from pgtf_basicsr.errors import UserError


def smooth_frames(num_frames=3, height=64, width=64, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)
    frames = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in noise]).astype(np.float32)
    return np.clip((frames - 128) * 4 + 128, 0, 255).astype(np.uint8)


def mean_error(first, second):
    return np.abs(np.subtract(first, second, dtype=float)).mean()


def test_the_same_generator_gives_the_same_bytes():
    degrade = Degradation()
    frames = smooth_frames()
    first, again, other = (degrade(frames, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert first.dtype == np.uint8 and first.shape == frames.shape
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize('codec', ['libx264', 'libx265'])
@pytest.mark.parametrize('height, width', [(16, 16), (64, 64), (72, 30), (20, 200)])
def test_the_bytes_do_not_depend_on_what_was_in_memory(codec, height, width, fill_new_memory):
    moving = smooth_frames(1, height + 9, width + 9)[0]
    frames = np.stack([moving[number : number + height, number : number + width] for number in range(10)])
    degrade = Degradation(DegradationRanges(scale=(1, 1), sigma=(0.1, 0.1), codec=codec))
    results = []
    for value in (0, 1, 85, 255):
        fill_new_memory(value)
        results.append(degrade(frames, np.random.default_rng(0)))
    assert all(np.array_equal(result, results[0]) for result in results)


def test_parameters_alone_reproduce_the_result():
    degrade = Degradation()
    frames = smooth_frames()
    rng = np.random.default_rng(0)
    parameters = degrade.draw(rng, len(frames))
    expected = degrade(frames, np.random.default_rng(0))
    assert np.array_equal(degrade.apply(frames, parameters), expected)


def test_draws_stay_in_their_ranges_and_fill_them():
    ranges = DegradationRanges(scale=(2, 4))
    rng = np.random.default_rng(0)
    drawn = [Degradation(ranges).draw(rng, 3) for _ in range(500)]
    for values, (low, high) in (
        ([s for p in drawn for s in p.sigma], ranges.sigma),
        ([p.scale for p in drawn], ranges.scale),
        ([n for p in drawn for n in p.noise], ranges.noise),
        ([p.crf for p in drawn], ranges.crf),
    ):
        margin = 0.05 * (high - low)
        assert low <= min(values) < low + margin and high - margin < max(values) <= high
    assert {p.crf for p in drawn} == set(range(18, 26))
    assert np.isclose(np.mean([p.sigma[0] == p.sigma[1] for p in drawn]), 0.7, atol=0.07)
    assert np.isclose(np.mean([g for p in drawn for g in p.grey]), 0.5, atol=0.05)
    assert np.isclose(np.mean([p.resize == 'area' for p in drawn]), 0.2, atol=0.06)


def test_noise_differs_per_frame_and_the_rest_is_per_clip():
    parameters = Degradation().draw(np.random.default_rng(0), 4)
    assert len(set(parameters.noise)) == 4 and len(parameters.grey) == 4
    assert isinstance(parameters.crf, int) and isinstance(parameters.resize, str)


def test_equation_8_without_noise_is_blur_then_downsampling_then_codec_then_enlargement():
    frames = smooth_frames()
    ranges = DegradationRanges(isotropic_prob=1, sigma=(2, 2), noise=(0, 0), resize_prob={'linear': 1}, crf=(18, 18))
    kernel = gaussian_kernel(21, 2, 2, 0.0)
    small = [cv2.resize(cv2.filter2D(frame.astype(np.float32), -1, kernel), (16, 16)) for frame in frames]
    coded = code_and_decode(np.rint(small).astype(np.uint8), 'libx264', 18, 'medium')
    expected = np.stack([cv2.resize(frame, (64, 64)) for frame in coded])
    result = Degradation(ranges)(frames, np.random.default_rng(0))
    assert mean_error(result, expected) < 1


def test_grey_noise_is_the_same_in_all_channels():
    frames = np.full((1, 64, 64, 3), 128, np.uint8)
    spread = {}
    for grey in (0, 1):
        ranges = DegradationRanges(scale=(1, 1), noise=(10, 10), grey_noise_prob=grey, crf=(0, 0))
        result = Degradation(ranges)(frames, np.random.default_rng(0)).astype(float)
        spread[grey] = np.std(result - result.mean(axis=-1, keepdims=True))
    assert spread[1] < 1 < 3 < spread[0]


def test_kernel_is_normalised_and_turned():
    kernel = gaussian_kernel(21, 4, 1, np.pi / 2)
    assert np.isclose(kernel.sum(), 1)
    assert kernel[15, 10] > 100 * kernel[10, 15]


def test_codec_loses_more_at_a_higher_rate_factor():
    frames = smooth_frames()
    errors = [mean_error(list(code_and_decode(frames, 'libx264', crf, 'medium')), frames) for crf in (5, 20, 35, 50)]
    assert errors[0] > 0 and errors == sorted(errors)


@pytest.mark.parametrize('codec', ['libx264', 'libx265'])
def test_codec_returns_as_many_frames_in_order(codec):
    frames = np.stack([np.full((32, 32, 3), level, np.uint8) for level in range(20, 220, 20)])
    decoded = np.stack(list(code_and_decode(frames, codec, 20, 'veryfast')))
    assert np.allclose(decoded.mean(axis=(1, 2, 3)), frames.mean(axis=(1, 2, 3)), atol=4)


def whole_clip_through_the_codec(frames, encoder_name, decoder_name, options):
    """Frames (T, H, W, 3), of even sides, all coded before the first is decoded."""
    encoder, decoder = av.CodecContext.create(encoder_name, 'w'), av.CodecContext.create(decoder_name, 'r')
    encoder.height, encoder.width, encoder.pix_fmt = *frames.shape[1:3], 'yuv420p'
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
    encoder.options = {'crf': '23', 'preset': 'medium', **options}
    packets = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format='rgb24')
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    pictures = [picture for packet in [*packets, None] for picture in decoder.decode(packet)]
    return [cv2.cvtColor(picture.to_ndarray(), cv2.COLOR_YUV2RGB_I420) for picture in pictures]


@pytest.mark.parametrize('num_frames', [1, 2, 60])
@pytest.mark.parametrize(
    'encoder, decoder, options',
    [
        ('libx264', 'h264', {'x264-params': 'asm=0'}),
        ('libx265', 'hevc', {'x265-params': 'log-level=none:pools=none:frame-threads=1'}),
    ],
)
def test_a_stream_through_the_codec_has_the_bytes_of_a_whole_clip(encoder, decoder, options, num_frames):
    # Of 80 pixels' width: libx265 itself is not deterministic in narrow pictures, which is why those are padded.
    moving = smooth_frames(1, 72, 200)[0]
    frames = np.stack([moving[:, number : number + 80] for number in range(num_frames)])
    expected = whole_clip_through_the_codec(frames, encoder, decoder, options)
    streamed = list(code_and_decode(iter(frames), encoder, 23, 'medium'))
    assert len(streamed) == num_frames and all(map(np.array_equal, streamed, expected))


@pytest.mark.parametrize('num_parameters', [2, 4])
def test_parameters_of_another_number_of_frames_are_refused(num_parameters):
    degrade = Degradation()
    parameters = degrade.draw(np.random.default_rng(0), num_parameters)
    with pytest.raises(ValueError, match='zip'):
        degrade.apply(smooth_frames(3), parameters)
    with pytest.raises(ValueError, match='no frames'):
        next(degrade.stream([], parameters))


@pytest.mark.parametrize('size', [(61, 47), (64, 64), (9, 13)])
def test_odd_and_small_sizes_come_back_in_place(size):
    frames = smooth_frames(2, *size)
    degrade = Degradation(DegradationRanges(sigma=(0.1, 0.1), scale=(1, 1), noise=(0, 0), crf=(5, 5)))
    result = degrade(frames, np.random.default_rng(0))
    assert result.shape == frames.shape
    assert mean_error(result.mean(axis=-1), frames.mean(axis=-1)) < 4


def test_without_resize_back_the_result_is_smaller():
    degrade = Degradation(DegradationRanges(resize_back=False))
    assert degrade(smooth_frames(), np.random.default_rng(0)).shape == (3, 16, 16, 3)
    assert degrade.output_size(64) == 16


@pytest.mark.parametrize(
    'options, complaint',
    [
        ({'sigma': (3, 1)}, 'sigma'),
        ({'crf': (18, 60)}, 'crf'),
        ({'noise': 5}, 'noise'),
        ({'kernel_size': 20}, 'kernel_size'),
        ({'grey_noise_prob': 1.5}, 'grey_noise_prob'),
        ({'resize_prob': {'area': 0.5}}, 'resize_prob'),
        ({'codec': 'mpeg4'}, 'codec'),
        ({'preset': 'quick'}, 'preset'),
        ({'resize_back': False, 'scale': (2, 4)}, 'scale'),
    ],
)
def test_impossible_ranges_are_named(options, complaint):
    with pytest.raises(UserError, match=f'degradation: {complaint} is'):
        DegradationRanges(**options)
