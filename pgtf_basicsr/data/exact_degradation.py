"""Degradation of a clip, Eq. 8, in integers: the same bytes on every x86 machine.

`Degradation` computes in float32, as fast as a processor can. Processors differ in the last bit: in the order of a sum,
in whether a product is rounded before it is added, in the algorithm that a library chooses for a filter. Now and then
such a bit turns a pixel, and the codec spreads that over the clip.

Here weights are integers, see `exact_resampling`, and where a library takes another way to a sum (a Fourier transform),
its error is far below a half, and is rounded off. Between two steps values are kept in steps of 1/256 of a level.
"""

from collections.abc import Callable, Iterable, Iterator

import av
import cv2
import numpy as np

from .clip_stream import with_size
from .degradation import Degradation, DegradationParameters, coded_padding, enlarging_mode, gaussian_kernel, transcode
from .exact_resampling import WEIGHTS, integer_weights, resized, to_uint8

__all__ = ['ExactDegradation', 'rgb_of_yuv420', 'yuv420_of_rgb']

# Sums of integer weights, as powers of two: of an isotropic kernel along each axis, of any other kernel, of a
# conversion of colours. The finer they are, the closer to Eq. 8; the coarser, the less likely is it that the last bit
# of an exponential matters. Steps of values are 2^-STEP of a level.
LINE, KERNEL, COLOUR, STEP = 12, 20, 16, 8
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
            small = resized(blur(frame), size, parameters.resize)
            amounts = noise * rng.standard_normal(small.shape[:2] + (1 if grey else 3,))
            small = small / 2 ** (2 * WEIGHTS + STEP) + np.rint(amounts * 2**STEP) / 2**STEP
            return to_uint8(small)

        return shrink

    def _code(self, frames: Iterable[np.ndarray], crf: int) -> Iterator[np.ndarray]:
        (height, width), frames = with_size(frames)
        padding = coded_padding(height, width, self.ranges.codec)
        planes = (yuv420_of_rgb(np.pad(frame, padding, mode='edge')) for frame in frames)
        coded = (av.VideoFrame.from_ndarray(plane, format='yuv420p') for plane in planes)
        for decoded in transcode(coded, self.ranges.codec, crf, self.ranges.preset):
            yield rgb_of_yuv420(decoded.to_ndarray())[:height, :width]

    def _enlarge(self, frame: np.ndarray, size: tuple[int, int], mode: str) -> np.ndarray:
        return to_uint8(resized(frame, size, enlarging_mode(mode)) / 2 ** (2 * WEIGHTS))

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


def _in_steps(sums: np.ndarray, bits: int) -> np.ndarray:
    """Round sums, integers up to the error of a Fourier transform, that are 2^bits of a level, to steps of 2^-STEP."""
    return np.rint(np.rint(sums) / 2 ** (bits - STEP))
