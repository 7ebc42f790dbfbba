"""Degradation of a clip: Eq. 8 of the paper.

    y = [H264((x * k) downsampled by s + n)] resized back

with k a Gaussian kernel, s the scale, n Gaussian noise and H264 a video codec at a constant rate factor.
Kernel, scale, resize mode and rate factor are drawn once for a clip; the noise's level, and whether it is
grey, once for a frame.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, starmap
from typing import NamedTuple

import av
import cv2
import numpy as np

from ..errors import UserError
from ..video.codecs import REPRODUCIBLE
from .checks import from_options, is_number, require, require_choice, require_number, require_range
from .clip_stream import with_size
from .reports import Reported

__all__ = [
    'VARIANTS',
    'Degradation',
    'DegradationParameters',
    'DegradationRanges',
    'code_and_decode',
    'degradation_ranges',
    'gaussian_kernel',
    'ranges_of_data_set',
]

_RESIZE_FLAGS = {'area': cv2.INTER_AREA, 'linear': cv2.INTER_LINEAR, 'cubic': cv2.INTER_CUBIC}


class _Codec(NamedTuple):
    decoder: str
    options: dict  # that keep the encoder silent, to one thread and to the same bytes every time
    smallest: tuple  # (height, width); smaller pictures are padded


_CODECS = {
    'libx264': _Codec('h264', REPRODUCIBLE, (16, 16)),
    # libx265 refuses lower pictures, and reads memory that was never written in narrower ones.
    'libx265': _Codec('hevc', {'x265-params': 'log-level=none:pools=none:frame-threads=1'}, (16, 66)),
}
_PRESETS = ('ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', 'veryslow', 'placebo')


@dataclass(frozen=True)
class DegradationRanges:
    """What `Degradation` draws from.  The defaults are those of VFHQ, for frames of 512 pixels.

    Lengths are in pixels of the frame that is degraded, so smaller frames want a smaller ``sigma`` and
    ``scale``.

    Attributes:
        kernel_size: side of the blur kernel, odd.
        isotropic_prob: probability that the kernel is isotropic.
        sigma: standard deviation of the kernel, per axis when anisotropic.
        scale: factor of the downsampling.
        noise: standard deviation of the noise, of 255.
        grey_noise_prob: probability that a frame's noise is the same in its three channels.
        crf: constant rate factor of the codec, whole numbers, both ends included.
        resize_prob: probability of each resize mode, of 'area', 'linear' and 'cubic'.
        codec: 'libx264' or 'libx265'.
        preset: the codec's preset; faster ones save time and change the artefacts a little.
        resize_back: whether the result has the size of the input; otherwise it stays at 1/scale of it.

    Raises:
        UserError: a value is outside of what it can be.
    """

    kernel_size: int = 21
    isotropic_prob: float = 0.7
    sigma: tuple = (0.1, 10)
    scale: tuple = (4, 4)
    noise: tuple = (0, 10)
    grey_noise_prob: float = 0.5
    crf: tuple = (18, 25)
    resize_prob: dict = field(default_factory=lambda: {'area': 0.2, 'linear': 0.4, 'cubic': 0.4})
    codec: str = 'libx264'
    preset: str = 'medium'
    resize_back: bool = True

    def __post_init__(self):
        for name, low, high in (('sigma', 1e-3, 1e3), ('scale', 1, 1e3), ('noise', 0, 255), ('crf', 0, 51)):
            require_range('degradation', name, getattr(self, name), low, high)
        for name in ('isotropic_prob', 'grey_noise_prob'):
            require_number('degradation', name, getattr(self, name), 0, 1)
        require_choice('degradation', 'codec', self.codec, _CODECS)
        require_choice('degradation', 'preset', self.preset, _PRESETS)
        require(
            isinstance(self.kernel_size, int) and self.kernel_size % 2 == 1,
            'degradation',
            f'kernel_size is {self.kernel_size!r}; it must be an odd whole number',
        )
        require(
            isinstance(self.resize_prob, dict)
            and set(self.resize_prob) <= set(_RESIZE_FLAGS)
            and all(is_number(value) and value >= 0 for value in self.resize_prob.values())
            and abs(sum(self.resize_prob.values()) - 1) < 1e-6,
            'degradation',
            f'resize_prob is {self.resize_prob!r}; it must give probabilities of '
            f'{", ".join(_RESIZE_FLAGS)} that add up to 1',
        )
        require(
            self.resize_back or self.scale[0] == self.scale[1],
            'degradation',
            f'scale is {self.scale!r}; without resize_back it must be one fixed factor',
        )


# Ranges of published training configurations, by name; all are for frames of 512 pixels.
VARIANTS = {
    # VFHQ's own, as DicFace's public configuration states them.
    'vfhq': DegradationRanges(),
    # BFVR-STC. Its codec is MPEG-4; the rate factors that stand for it are ours.
    'bfvr_stc': DegradationRanges(
        kernel_size=11, isotropic_prob=1, sigma=(2, 5), scale=(2, 4), noise=(0, 5), resize_prob={'linear': 1}
    ),
    # CodeFormer's for pictures, stage III. Its codec is JPEG of quality 60 to 100; the rate factors are ours.
    'codeformer': DegradationRanges(kernel_size=41, scale=(1, 12), noise=(0, 15), resize_prob={'linear': 1}),
}


def degradation_ranges(variant='vfhq', **ranges):
    """The ranges of one of `VARIANTS`, some of them replaced.

    Raises:
        UserError: there is no such variant or range, or a value is outside of what it can be.
    """
    require_choice('degradation', 'variant', variant, VARIANTS)
    return from_options(DegradationRanges, {**vars(VARIANTS[variant]), **ranges}, 'degradation')


def ranges_of_data_set(options, where):
    """`degradation_ranges` of what a data set's options have under ``degradation``, or nothing.

    Raises:
        UserError: as there; the message begins with ``where``.
    """
    require(
        isinstance(options or {}, dict), where, f'degradation is {options!r}; it must be a section with keys of its own'
    )
    try:
        return degradation_ranges(**(options or {}))
    except UserError as error:
        raise UserError(f'{where}, {error}') from error


@dataclass(frozen=True)
class DegradationParameters(Reported):
    """What was drawn for one clip: with the ranges' kernel size and codec, all it takes to degrade the clip again.

    Attributes:
        sigma: of the kernel along its two axes, in pixels.
        angle: direction of the first axis, in radians.
        scale: factor of the downsampling.
        resize: mode of both resizes.
        crf: constant rate factor of the codec.
        noise: standard deviation of each frame's noise, of 255.
        grey: whether each frame's noise is the same in its three channels.
        noise_seed: seed of the noise itself.
    """

    sigma: tuple
    angle: float
    scale: float
    resize: str
    crf: int
    noise: tuple
    grey: tuple
    noise_seed: int


class Degradation:
    """Eq. 8 with parameters drawn from ``ranges``.

        degrade = Degradation(VARIANTS['vfhq'])
        parameters = degrade.draw(np.random.default_rng(seed), len(frames))
        degraded = degrade.apply(frames, parameters)

    or, a frame after the other, ``for frame in degrade.stream(frames, parameters)``.
    """

    def __init__(self, ranges=DegradationRanges()):
        self.ranges = ranges

    def draw(self, rng, num_frames):
        """Parameters for a clip of ``num_frames`` frames, all from the generator ``rng``."""
        ranges = self.ranges
        if rng.random() < ranges.isotropic_prob:
            sigma, angle = (rng.uniform(*ranges.sigma),) * 2, 0.0
        else:
            sigma, angle = tuple(rng.uniform(*ranges.sigma, 2).tolist()), rng.uniform(-np.pi, np.pi)
        modes = list(ranges.resize_prob)
        return DegradationParameters(
            sigma=sigma,
            angle=angle,
            scale=rng.uniform(*ranges.scale),
            resize=modes[rng.choice(len(modes), p=list(ranges.resize_prob.values()))],
            crf=int(rng.integers(ranges.crf[0], ranges.crf[1], endpoint=True)),
            noise=tuple(rng.uniform(*ranges.noise, num_frames).tolist()),
            grey=tuple((rng.random(num_frames) < ranges.grey_noise_prob).tolist()),
            noise_seed=int(rng.integers(2**63)),
        )

    def apply(self, frames, parameters):
        """Degrade frames (T, H, W, 3) uint8 RGB; same layout, and same size unless ``resize_back`` is false.

        The same frames and parameters give the same bytes, in any process.

        Raises:
            ValueError: The parameters are of another number of frames, or there are none.
        """
        return np.stack(list(self.stream(frames, parameters)))

    def stream(self, frames, parameters):
        """The same one after another, with no more frames in memory than the codec looks ahead.

        Args:
            frames (Iterable[ndarray]): (H, W, 3) uint8 RGB each, all of one size.
            parameters (DegradationParameters): Drawn for as many frames.

        Yields:
            ndarray: (H, W, 3) uint8 RGB, smaller if ``resize_back`` is false.

        Raises:
            ValueError: The parameters are of another number of frames, which shows at the end, or there are none.
        """
        (height, width), frames = with_size(frames)
        low = starmap(self._low_resolution(parameters), zip(frames, parameters.noise, parameters.grey, strict=True))
        for frame in code_and_decode(low, self.ranges.codec, parameters.crf, self.ranges.preset):
            yield _enlarge(frame, (width, height), parameters.resize) if self.ranges.resize_back else frame

    def __call__(self, frames, rng):
        """Draw parameters and apply them."""
        return self.apply(frames, self.draw(rng, len(frames)))

    def output_size(self, size):
        """Side of the result for square frames of ``size`` pixels."""
        return size if self.ranges.resize_back else max(round(size / self.ranges.scale[0]), 1)

    def _low_resolution(self, parameters):
        """What comes before the codec, a function from a frame, its noise and whether that is grey to a small frame."""
        blur = self._blur(parameters)
        rng = np.random.default_rng(parameters.noise_seed)

        def shrink(frame, noise, grey):
            size = [max(round(side / parameters.scale), 1) for side in frame.shape[1::-1]]
            small = cv2.resize(blur(frame), size, interpolation=_RESIZE_FLAGS[parameters.resize])
            small += noise * rng.standard_normal(small.shape[:2] + (1 if grey else 3,), dtype=np.float32)
            return _to_uint8(small)

        return shrink

    def _blur(self, parameters):
        """The blur of one clip, a function from a uint8 frame to a float32 one."""
        size, (sigma_x, sigma_y) = self.ranges.kernel_size, parameters.sigma
        kernel = gaussian_kernel(size, sigma_x, sigma_y, parameters.angle)
        if sigma_x == sigma_y:
            # An isotropic Gaussian is separable, which is several times faster.
            line = kernel.sum(axis=0)
            return lambda frame: cv2.sepFilter2D(frame, cv2.CV_32F, line, line, borderType=cv2.BORDER_REFLECT_101)
        return lambda frame: cv2.filter2D(frame, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)


def gaussian_kernel(size, sigma_x, sigma_y, angle):
    """Gaussian kernel (size, size) float32 that sums to 1, its axes turned by ``angle`` radians."""
    y, x = np.mgrid[:size, :size] - size // 2
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    kernel = np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return (kernel / kernel.sum()).astype(np.float32)


def code_and_decode(frames, codec, crf, preset):
    """Frames through a lossy video codec (yuv420p) in memory and back, each as soon as the codec gives it.

    Args:
        frames (Iterable[ndarray]): (H, W, 3) uint8 RGB each, all of one size.
        codec (str): 'libx264' or 'libx265'.
        crf (int): Constant rate factor, 0 to 51.
        preset (str): The codec's.

    Yields:
        ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: There are no frames.
    """
    (height, width), frames = with_size(frames)
    decoder_name, codec_options, smallest = _CODECS[codec]
    # yuv420p halves the colour planes, so sides have to be even.
    padding = [(0, max(side + side % 2, least) - side) for side, least in zip((height, width), smallest)] + [(0, 0)]
    encoder = av.CodecContext.create(codec, 'w')
    encoder.height, encoder.width = height + padding[0][1], width + padding[1][1]
    encoder.pix_fmt = 'yuv420p'
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1  # more threads give other bytes
    encoder.options = {'crf': str(crf), 'preset': preset, **codec_options}
    decoder = av.CodecContext.create(decoder_name, 'r')
    decoder.thread_count = 1

    pictures = (_picture(np.pad(frame, padding, mode='edge'), number) for number, frame in enumerate(frames))
    packets = chain.from_iterable(map(encoder.encode, chain(pictures, [None])))
    for packet in chain(packets, [None]):
        for picture in decoder.decode(packet):
            # PyAV's conversion to RGB sets up a thread pool for every frame, at many times the cost of decoding it.
            yield cv2.cvtColor(picture.to_ndarray(), cv2.COLOR_YUV2RGB_I420)[:height, :width]


def _picture(frame, number):
    picture = av.VideoFrame.from_ndarray(frame, format='rgb24')
    picture.pts = number
    return picture


def _enlarge(frame, size, mode):
    """A frame resized to ``size`` (width, height)."""
    # Enlarging by area repeats pixels; what stands for it is linear.
    return cv2.resize(frame, size, interpolation=_RESIZE_FLAGS['linear' if mode == 'area' else mode])


def _to_uint8(frame):
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)
