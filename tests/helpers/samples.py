"""Frames of known YCbCr samples, made and read by NumPy alone."""

import av
import cv2
import numpy as np

# Shares of red and blue in luma of ITU-T H.273, by code point.
SHARES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def colourful(seed, width, height):
    """RGB in [0, 1] with gradients, soft blocks and grain, no value at the limits."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(width, height)
    blocks = generator.uniform(-0.25, 0.25, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    image = np.stack([0.2 + 0.6 * x, 0.3 + 0.4 * y, 0.7 - 0.3 * x], -1) + blocks[:height, :width]
    return (cv2.GaussianBlur(image, (0, 0), 1) + generator.uniform(-0.02, 0.02, image.shape)).clip(0.02, 0.98)


def ycbcr(rgb, depth, full_range, matrix):
    """Y, Cb and Cr of RGB in [0, 1], as code values that are not rounded."""
    red, blue = SHARES[matrix]
    step, largest = 2 ** (depth - 8), 2**depth - 1
    luma = rgb @ [red, 1 - red - blue, blue]
    cb, cr = (rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red))
    if full_range:
        return luma * largest, cb * largest + 128 * step, cr * largest + 128 * step
    return (16 + 219 * luma) * step, (128 + 224 * cb) * step, (128 + 224 * cr) * step


def frame_of(planes, pixel_format, matrix=1, full_range=False):
    """Make a frame of planes at full resolution; chroma is averaged over the pixels that share it."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, values in zip(views(frame), planes):
        rows, columns = plane.shape
        plane[:] = values.reshape(rows, height // rows, columns, width // columns).mean((1, 3)).round()
    frame.colorspace, frame.color_range = matrix, 2 if full_range else 1
    return frame


def samples(frame):
    """Planes of a frame as signed integers."""
    return [plane.astype(int) for plane in views(frame)]


def views(frame):
    dtype = np.dtype('u1' if frame.format.components[0].bits == 8 else '<u2')
    lines = [np.frombuffer(plane, dtype).reshape(plane.height, -1) for plane in frame.planes]
    return [samples[:, : plane.width] for samples, plane in zip(lines, frame.planes)]
