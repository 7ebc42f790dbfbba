"""Degradation of a clip: Eq. 8 of the paper.

    y = [H264((x * k) downsampled by s + n)] resized back

with k a Gaussian kernel, s the scale, n Gaussian noise and H264 a video codec at a constant rate factor.
Kernel, scale, resize mode and rate factor are drawn once for a clip; the noise's level, and whether it is
grey, once for a frame.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, starmap
from typing import Annotated, Any, ClassVar, NamedTuple

import av
import cv2
import numpy as np
from annotated_types import Ge
from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from ..argument_types import NonNegative, Share
from ..config.value_types import Between, OneOf, Words, refuse, shown
from ..video.codecs import REPRODUCIBLE
from .clip_stream import with_size
from .logged_draws import Reported
from .ranges import Ranges

__all__ = [
    'VARIANTS',
    'Degradation',
    'DegradationParameters',
    'DegradationRanges',
    'code_and_decode',
    'coded_padding',
    'enlarging_mode',
    'gaussian_kernel',
    'transcode',
]

_RESIZE_FLAGS = {'area': cv2.INTER_AREA, 'linear': cv2.INTER_LINEAR, 'cubic': cv2.INTER_CUBIC}


class _Codec(NamedTuple):
    decoder: str
    options: dict[str, str]  # that keep the encoder silent, to one thread and to the same bytes every time
    smallest: tuple[int, int]  # (height, width); smaller frames are padded


_CODECS = {
    'libx264': _Codec('h264', REPRODUCIBLE, (16, 16)),
    # libx265 refuses lower frames, and reads memory that was never written in narrower ones.
    'libx265': _Codec('hevc', {'x265-params': 'log-level=none:pools=none:frame-threads=1'}, (16, 66)),
}
_PRESETS = ('ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower', 'veryslow', 'placebo')

# Ranges of published training configurations, by name, as far as they differ from VFHQ's. All are for frames of 512
# pixels.
VARIANTS: dict[str, dict[str, Any]] = {
    # VFHQ's own, as DicFace's public configuration states them.
    'vfhq': {},
    # BFVR-STC. Its codec is MPEG-4; the rate factors that stand for it are ours.
    'bfvr_stc': dict(
        kernel_size=11, isotropic_prob=1, sigma=(2, 5), scale=(2, 4), noise=(0, 5), resize_prob={'linear': 1}
    ),
    # CodeFormer's for images, stage III. Its codec is JPEG of quality 60 to 100; the rate factors are ours.
    'codeformer': dict(kernel_size=41, scale=(1, 12), noise=(0, 15), resize_prob={'linear': 1}),
}


def _odd(value):
    if value % 2 == 0:
        refuse(f' is {value}; it must be an odd positive integer')
    return value


def _of_resizes(value):
    if not set(value) <= set(_RESIZE_FLAGS) or abs(sum(value.values()) - 1) >= 1e-6:
        refuse(f' is {shown(value)}; it must give probabilities of {", ".join(_RESIZE_FLAGS)} that add up to 1')
    return value


class DegradationRanges(Ranges):
    """What `Degradation` draws from. The defaults are those of VFHQ, for frames of 512 pixels.

    Lengths are in pixels of the frame that is degraded, so smaller frames need a smaller ``sigma`` and ``scale``.

    Raises:
        UserError: A value is impossible.
    """

    section: ClassVar[str] = 'degradation'

    variant: Annotated[str, OneOf(tuple(VARIANTS))] = Field(
        'vfhq', description='published configuration whose ranges stand for those that are not given'
    )
    kernel_size: Annotated[int, Ge(1), AfterValidator(_odd), Words('odd integer')] = Field(
        21, description='side of the blur kernel'
    )
    isotropic_prob: Share = Field(0.7, description='probability that the kernel is isotropic')
    sigma: Annotated[tuple[float, float], Between(1e-3, 1e3)] = Field(
        (0.1, 10), description='standard deviation of the kernel, per axis when anisotropic'
    )
    resize_back: bool = Field(
        True, description='whether the result has the size of the input; otherwise it stays at 1/scale of it'
    )
    scale: Annotated[tuple[float, float], Between(1, 1e3)] = Field((4, 4), description='factor of the downsampling')
    noise: Annotated[tuple[float, float], Between(0, 255)] = Field(
        (0, 10), description='standard deviation of the noise, of 255'
    )
    grey_noise_prob: Share = Field(
        0.5, description="probability that a frame's noise is the same in its three channels"
    )
    crf: Annotated[tuple[int, int], Between(0, 51)] = Field(
        (18, 25), description='constant rate factor of the codec, integers, both ends included'
    )
    resize_prob: Annotated[dict[str, NonNegative], AfterValidator(_of_resizes)] = Field(
        {'area': 0.2, 'linear': 0.4, 'cubic': 0.4}, description='probability of each resize mode: area, linear, cubic'
    )
    codec: Annotated[str, OneOf(tuple(_CODECS))] = Field('libx264', description='video codec')
    preset: Annotated[str, OneOf(_PRESETS)] = Field(
        'medium', description="the codec's preset; faster ones save time and change the artefacts a little"
    )

    @model_validator(mode='before')
    @classmethod
    def _start_from_variant(cls, values: Any) -> Any:
        variant = values.get('variant') if isinstance(values, dict) else None
        return {**VARIANTS[variant], **values} if isinstance(variant, str) and variant in VARIANTS else values

    @field_validator('scale')
    @classmethod
    def _keep_one_size(cls, scale: tuple[float, float], info: ValidationInfo) -> tuple[float, float]:
        if info.data.get('resize_back') is False and scale[0] != scale[1]:
            refuse(f' is {shown(list(scale))}; without resize_back it must be one fixed factor')
        return scale


@dataclass(frozen=True)
class DegradationParameters(Reported):
    """What was drawn for one clip: with the ranges' kernel size and codec it degrades the clip again in the same way.

    Attributes:
        sigma (tuple[float, float]): Standard deviation of the kernel along its two axes, in pixels.
        angle (float): Direction of the first axis, in radians.
        scale (float): Factor of the downsampling.
        resize (str): Mode of both resizes.
        crf (int): Constant rate factor of the codec.
        noise (tuple[float]): Standard deviation of each frame's noise, of 255.
        grey (tuple[bool]): Whether each frame's noise is the same in its three channels.
        noise_seed (int): Seed of the noise itself.
    """

    sigma: tuple[float, float]
    angle: float
    scale: float
    resize: str
    crf: int
    noise: tuple[float, ...]
    grey: tuple[bool, ...]
    noise_seed: int


class Degradation:
    """Eq. 8 with parameters drawn from ``ranges``, by default those of VFHQ.

        degrade = Degradation(DegradationRanges(variant='bfvr_stc'))
        parameters = degrade.draw(np.random.default_rng(seed), len(frames))
        degraded = degrade.apply(frames, parameters)

    or, a frame after the other, ``for frame in degrade.stream(frames, parameters)``.
    """

    def __init__(self, ranges: DegradationRanges | None = None) -> None:
        self.ranges = ranges or DegradationRanges()

    def draw(self, rng: np.random.Generator, num_frames: int) -> DegradationParameters:
        """Draw the parameters of a clip of ``num_frames`` frames from the generator ``rng``."""
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

    def apply(self, frames: np.ndarray, parameters: DegradationParameters) -> np.ndarray:
        """Degrade frames (T, H, W, 3) uint8 RGB; same layout, and same size unless ``resize_back`` is false.

        The same frames and parameters give the same bytes, in any process.

        Raises:
            ValueError: The parameters are of another number of frames, or there are none.
        """
        return np.stack(list(self.stream(frames, parameters)))

    def stream(self, frames: Iterable[np.ndarray], parameters: DegradationParameters) -> Iterator[np.ndarray]:
        """Degrade frames one after another, with no more of them in memory than the codec looks ahead.

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
        for frame in self._code(low, parameters.crf):
            yield self._enlarge(frame, (width, height), parameters.resize) if self.ranges.resize_back else frame

    def __call__(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw parameters and apply them; see `apply`."""
        return self.apply(frames, self.draw(rng, len(frames)))

    def output_size(self, size: int) -> int:
        """Return the side of the result for square frames of ``size`` pixels."""
        return size if self.ranges.resize_back else max(round(size / self.ranges.scale[0]), 1)

    def _low_resolution(self, parameters: DegradationParameters) -> Callable[..., np.ndarray]:
        """Return what comes before the codec: a function of a frame, its noise and whether that is grey."""
        blur = self._blur(parameters)
        rng = np.random.default_rng(parameters.noise_seed)

        def shrink(frame, noise, grey):
            size = [max(round(side / parameters.scale), 1) for side in frame.shape[1::-1]]
            small = cv2.resize(blur(frame), size, interpolation=_RESIZE_FLAGS[parameters.resize])
            small += noise * rng.standard_normal(small.shape[:2] + (1 if grey else 3,), dtype=np.float32)
            return _to_uint8(small)

        return shrink

    def _code(self, frames: Iterable[np.ndarray], crf: int) -> Iterator[np.ndarray]:
        """Return frames as the codec leaves them."""
        return code_and_decode(frames, self.ranges.codec, crf, self.ranges.preset)

    def _enlarge(self, frame: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
        """Resize a frame to ``size`` (width, height)."""
        return cv2.resize(frame, size, interpolation=_RESIZE_FLAGS[enlarging_mode(mode)])

    def _blur(self, parameters: DegradationParameters) -> Callable[[np.ndarray], np.ndarray]:
        """Return the blur of one clip, a function from a uint8 frame to a float32 one."""
        size, (sigma_x, sigma_y) = self.ranges.kernel_size, parameters.sigma
        kernel = gaussian_kernel(size, sigma_x, sigma_y, parameters.angle)
        if sigma_x == sigma_y:
            # An isotropic Gaussian is separable, which is several times faster.
            line = kernel.sum(axis=0)
            return lambda frame: cv2.sepFilter2D(frame, cv2.CV_32F, line, line, borderType=cv2.BORDER_REFLECT_101)
        return lambda frame: cv2.filter2D(frame, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)


def gaussian_kernel(size: int, sigma_x: float, sigma_y: float, angle: float) -> np.ndarray:
    """Make a Gaussian kernel (size, size) float32 that sums to 1, its axes turned by ``angle`` radians."""
    y, x = np.mgrid[:size, :size] - size // 2
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    kernel = np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return (kernel / kernel.sum()).astype(np.float32)


def code_and_decode(frames: Iterable[np.ndarray], codec: str, crf: int, preset: str) -> Iterator[np.ndarray]:
    """Pass frames through a lossy video codec (yuv420p) in memory, and yield each as soon as the codec gives it.

    Args:
        frames (Iterable[ndarray]): (H, W, 3) uint8 RGB each, all of one size.
        codec (str): 'libx264' or 'libx265'.
        crf (int): Constant rate factor, 0 to 51.
        preset (str): The codec's preset.

    Yields:
        ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: There are no frames.
    """
    (height, width), frames = with_size(frames)
    padding = coded_padding(height, width, codec)
    coded = (av.VideoFrame.from_ndarray(np.pad(frame, padding, mode='edge'), format='rgb24') for frame in frames)
    for decoded in transcode(coded, codec, crf, preset):
        # PyAV's conversion to RGB sets up a thread pool for every frame, at many times the cost of decoding it.
        yield cv2.cvtColor(decoded.to_ndarray(), cv2.COLOR_YUV2RGB_I420)[:height, :width]


def coded_padding(height: int, width: int, codec: str) -> list[tuple[int, int]]:
    """Return the padding, as of `numpy.pad`, that a codec's frames (H, W, 3) need."""
    # yuv420p halves the colour planes, so sides have to be even.
    sides = zip((height, width), _CODECS[codec].smallest)
    return [*((0, max(side + side % 2, least) - side) for side, least in sides), (0, 0)]


def transcode(frames: Iterable[av.VideoFrame], codec: str, crf: int, preset: str) -> Iterator[av.VideoFrame]:
    """Encode frames and decode them again, in memory; arguments are those of `code_and_decode`.

    Args:
        frames (Iterable[VideoFrame]): All of one size and format, of sides that the codec takes. At least one.

    Yields:
        VideoFrame: In yuv420p.
    """
    frames = iter(frames)
    first = next(frames)
    decoder_name, codec_options, _ = _CODECS[codec]
    encoder: Any = av.CodecContext.create(codec, 'w')
    encoder.height, encoder.width = first.height, first.width
    encoder.pix_fmt = 'yuv420p'
    encoder.time_base = Fraction(1, 25)
    encoder.thread_count = 1  # more threads give other bytes
    encoder.options = {'crf': str(crf), 'preset': preset, **codec_options}
    decoder: Any = av.CodecContext.create(decoder_name, 'r')
    decoder.thread_count = 1

    packets = chain.from_iterable(map(encoder.encode, chain(_numbered(chain([first], frames)), [None])))
    for packet in chain(packets, [None]):
        yield from decoder.decode(packet)


def enlarging_mode(mode: str) -> str:
    """Return the mode that enlarges where ``mode`` has shrunk."""
    # Enlarging by area repeats pixels; what stands for it is linear.
    return 'linear' if mode == 'area' else mode


def _numbered(frames):
    for number, frame in enumerate(frames):
        frame.pts = number
        yield frame


def _to_uint8(frame):
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)
