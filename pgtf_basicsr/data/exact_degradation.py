"""Degradation of a clip, Eq. 8, in integers: the same bytes on every x86 machine.

`Degradation` computes in float32, as fast as a processor can. Processors differ in the last bit: in the order of a sum,
in whether a product is rounded before it is added, in the algorithm that a library chooses for a filter. Now and then
such a bit turns a pixel, and the codec spreads that over the clip.

Here weights are integers, so that each sum is an integer below 2^53, which float64 holds exactly in any order of
addition. Where a library takes another way (a Fourier transform), its error is far below a half, and is rounded off.
Between two steps values are kept in steps of 1/256 of a level.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import av
import cv2
import numpy as np

from .clip_stream import with_size
from .degradation import Degradation, DegradationParameters, coded_padding, enlarging_mode, gaussian_kernel, transcode

__all__ = ['ExactDegradation', 'integer_weights', 'resize_weights', 'rgb_of_yuv420', 'yuv420_of_rgb']

# Sums of integer weights, as powers of two: of an isotropic kernel along each axis, of any other kernel, of a resize
# along each axis, of a conversion of colours. The finer they are, the closer to Eq. 8; the coarser, the less likely is
# it that the last bit of an exponential matters. Steps of values are 2^-STEP of a level.
LINE, KERNEL, RESIZE, COLOUR, STEP = 12, 20, 14, 16, 8
# OpenCV's cubic.
CUBIC = -0.75
# ITU-R BT.601, limited range: luma, Cb and Cr of RGB, and RGB of them.
_YUV = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
_YUV_OFFSET = np.array([16, 128, 128])
_RGB = np.array([[255 / 219, 0, 1.402], [255 / 219, -0.344136, -0.714136], [255 / 219, 1.772, 0]])
_RGB[:, 1:] *= 255 / 224


class ExactDegradation(Degradation):
    """`Degradation` with arithmetic that is exact, and several times slower.

    Blur and resizes are those of `Degradation` up to rounding; the noise is drawn in float64, and the chroma of the
    coded frames is the mean of the pixels that share it.
    """

    def _low_resolution(self, parameters: DegradationParameters) -> Callable[..., np.ndarray]:
        blur = self._blur(parameters)
        rng = np.random.default_rng(parameters.noise_seed)

        def shrink(frame, noise, grey):
            size = [max(round(side / parameters.scale), 1) for side in frame.shape[1::-1]]
            small = _resized(blur(frame), size, parameters.resize)
            amounts = noise * rng.standard_normal(small.shape[:2] + (1 if grey else 3,))
            small = small / 2 ** (2 * RESIZE + STEP) + np.rint(amounts * 2**STEP) / 2**STEP
            return _to_uint8(small)

        return shrink

    def _code(self, frames: Iterable[np.ndarray], crf: int) -> Iterator[np.ndarray]:
        (height, width), frames = with_size(frames)
        padding = coded_padding(height, width, self.ranges.codec)
        planes = (yuv420_of_rgb(np.pad(frame, padding, mode='edge')) for frame in frames)
        coded = (av.VideoFrame.from_ndarray(plane, format='yuv420p') for plane in planes)
        for decoded in transcode(coded, self.ranges.codec, crf, self.ranges.preset):
            yield rgb_of_yuv420(decoded.to_ndarray())[:height, :width]

    def _enlarge(self, frame: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
        return _to_uint8(_resized(frame, size, enlarging_mode(mode)) / 2 ** (2 * RESIZE))

    def _blur(self, parameters: DegradationParameters) -> Callable[[np.ndarray], np.ndarray]:
        """Return the blur of one clip, a function from a uint8 frame to one of integers, in steps of 2^-STEP."""
        size, (sigma_x, sigma_y) = self.ranges.kernel_size, parameters.sigma
        kernel = gaussian_kernel(size, sigma_x, sigma_y, parameters.angle).astype(np.float64)
        if sigma_x == sigma_y:
            line = integer_weights(kernel.sum(axis=0), LINE)
            return lambda frame: _in_steps(
                cv2.sepFilter2D(frame, cv2.CV_64F, line, line, borderType=cv2.BORDER_REFLECT_101), 2 * LINE
            )
        kernel = integer_weights(kernel.ravel(), KERNEL).reshape(size, size)
        return lambda frame: _in_steps(
            cv2.filter2D(frame, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT_101), KERNEL
        )


def integer_weights(weights: np.ndarray, bits: int) -> np.ndarray:
    """Round weights (..., N) to integers, float64, that sum to 2^bits along the last axis.

    The largest weight takes what rounding has left.
    """
    weights = np.rint(weights / weights.sum(axis=-1, keepdims=True) * 2**bits)
    largest = np.argmax(weights, axis=-1)[..., None]
    left = 2**bits - weights.sum(axis=-1, keepdims=True)
    np.put_along_axis(weights, largest, np.take_along_axis(weights, largest, -1) + left, -1)
    return weights


@lru_cache(maxsize=8)
def resize_weights(length: int, new_length: int, mode: str) -> np.ndarray:
    """Make the weights of a resize along one axis as OpenCV defines it, as integers that sum to 2^RESIZE.

    Args:
        length (int): Pixels before.
        new_length (int): Pixels after; no more than before for 'area'.
        mode (str): 'area', 'linear' or 'cubic'.

    Returns:
        ndarray: (new_length, length) float64.
    """
    scale = length / new_length
    rows = np.arange(new_length)
    if mode == 'area':
        edges = np.arange(length + 1)[None] - rows[:, None] * scale
        # How far each pixel reaches into the interval [0, scale) that is averaged.
        weights = np.diff(np.clip(edges, 0, scale), axis=1)
        return integer_weights(weights, RESIZE)
    places = (rows + 0.5) * scale - 0.5
    first = np.floor(places).astype(int)
    share = places - first
    if mode == 'linear':
        taps = {0: 1 - share, 1: share}
    else:
        taps = {offset: _cubic(np.abs(offset - share)) for offset in (-1, 0, 1, 2)}
    weights = np.zeros((new_length, length))
    for offset, values in taps.items():
        # Beyond the border lies the last pixel again.
        np.add.at(weights, (rows, np.clip(first + offset, 0, length - 1)), values)
    return integer_weights(weights, RESIZE)


def yuv420_of_rgb(frame: np.ndarray) -> np.ndarray:
    """Convert a frame (H, W, 3) uint8 RGB of even sides to the planes (3 H / 2, W) uint8 of yuv420p.

    By ITU-R BT.601 in limited range, rounded to nearest, the chroma of the mean of 2 x 2 pixels.
    """
    weights, half = np.rint(_YUV * 2**COLOUR).astype(np.int64), 1 << (COLOUR - 1)
    pixels = frame.astype(np.int64)
    luma = (pixels @ weights[0] + half) >> COLOUR
    height, width = frame.shape[:2]
    sums = pixels.reshape(height // 2, 2, width // 2, 2, 3).sum(axis=(1, 3))
    chroma = (sums @ weights[1:].T + 4 * half) >> (COLOUR + 2)
    planes = [luma.ravel(), chroma[..., 0].ravel(), chroma[..., 1].ravel()]
    values = np.concatenate([plane + offset for plane, offset in zip(planes, _YUV_OFFSET)])
    return np.clip(values, 0, 255).astype(np.uint8).reshape(-1, width)


def rgb_of_yuv420(planes: np.ndarray) -> np.ndarray:
    """Convert the planes (3 H / 2, W) uint8 of yuv420p to a frame (H, W, 3) uint8 RGB, the inverse of `yuv420_of_rgb`.

    Four pixels share their chroma.
    """
    weights, half = np.rint(_RGB * 2**COLOUR).astype(np.int64), 1 << (COLOUR - 1)
    height, width = len(planes) * 2 // 3, planes.shape[1]
    chroma = planes[height:].reshape(2, height // 2, width // 2).repeat(2, axis=1).repeat(2, axis=2)
    yuv = np.stack([planes[:height], *chroma], axis=-1).astype(np.int64) - _YUV_OFFSET
    return np.clip((yuv @ weights.T + half) >> COLOUR, 0, 255).astype(np.uint8)


def _resized(frame: np.ndarray, size: Iterable[int], mode: str) -> np.ndarray:
    """Resize a frame (H, W, 3) of integers to ``size`` (width, height), times 2^(2 RESIZE)."""
    width, height = size
    rows = np.tensordot(resize_weights(frame.shape[0], height, mode), frame.astype(np.float64), axes=(1, 0))
    return np.moveaxis(np.tensordot(rows, resize_weights(frame.shape[1], width, mode), axes=(1, 1)), -1, 1)


def _in_steps(sums: np.ndarray, bits: int) -> np.ndarray:
    """Round sums, integers up to the error of a Fourier transform, that are 2^bits of a level, to steps of 2^-STEP."""
    return np.rint(np.rint(sums) / 2 ** (bits - STEP))


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Weight of the cubic convolution at a distance of up to 2 pixels."""
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = ((CUBIC * distance - 5 * CUBIC) * distance + 8 * CUBIC) * distance - 4 * CUBIC
    return np.where(distance <= 1, near, far)


def _to_uint8(frame: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(frame), 0, 255).astype(np.uint8)
