"""Images as files, arrays and tensors: reading, writing and conversions that all packages share."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from .errors import DataError
from .files import is_hidden

__all__ = [
    'IMAGENET_MEAN',
    'IMAGENET_STD',
    'IMAGE_SUFFIXES',
    'decode_image',
    'has_alpha',
    'is_image_file',
    'read_deep_image',
    'read_image',
    'resize',
    'round_to',
    'to_image',
    'to_tensor',
    'write_image',
]

IMAGE_SUFFIXES = ('.png', '.jpg', '.jpeg')
# Mean and standard deviation of ImageNet, RGB in [0, 1], which torchvision's backbones expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Of OpenCV's levels of logging.
SILENT = 0
# It is at the one place in OpenCV 4, of whose packages some lack the other one, and at the other in OpenCV 5.
_set_log_level = getattr(cv2, 'setLogLevel', None) or cv2.utils.logging.setLogLevel


def is_image_file(name: str) -> bool:
    """Whether a file's name is that of an image: one of the known suffixes, and not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(name)


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB.

    Raises:
        DataError: The file cannot be read, or is not a whole image.
    """
    return decode_image(_read(path), path)


def read_deep_image(path: str | Path) -> np.ndarray:
    """Read an image file as (H, W, 3) RGB, uint8 or, where it has more than 8 bits, uint16 (0 to 65535).

    Raises:
        DataError: The file cannot be read, or is not a whole image.
    """
    return decode_image(_read(path), path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)


def has_alpha(path: str | Path) -> bool:
    """Whether an image file has alpha, which reading drops.

    Raises:
        DataError: The file cannot be read, or is not a whole image.
    """
    return _decode(_read(path), path, cv2.IMREAD_UNCHANGED).shape[2:] == (4,)


def decode_image(data: bytes, name: str | Path, flags: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Decode the bytes of an image file to (H, W, 3) RGB, uint8 unless OpenCV's flags ask for its own depth.

    Args:
        data (bytes): The file's content.
        name (str | Path): What error messages call it.
        flags (int): OpenCV's flags of reading.

    Raises:
        DataError: The bytes are not those of a whole image.
    """
    return cv2.cvtColor(_decode(data, name, flags), cv2.COLOR_BGR2RGB)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) RGB, uint8 or for PNG uint16, as an image file of the format that its suffix names."""
    _, data = cv2.imencode(Path(path).suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    Path(path).write_bytes(data.tobytes())


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Convert images (..., H, W, 3) uint8 or uint16 to a tensor (..., 3, H, W), float32 in [0, 1].

    NumPy does the arithmetic: torch's thread pool in a loader thread slows training down.
    """
    channels_first = np.ascontiguousarray(np.moveaxis(image, -1, -3), dtype=np.float32)
    channels_first /= np.iinfo(image.dtype).max
    return torch.from_numpy(channels_first)


def to_image(frames: torch.Tensor) -> np.ndarray:
    """Convert a tensor (..., 3, H, W) of any values to images (..., H, W, 3) uint8. Values are clamped to [0, 1]."""
    return (frames.detach().clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


def round_to(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Convert a float array of any values to uint8 or uint16, as `to_image` does. Values are clamped to [0, 1].

    For threads beside the one that works with torch: torch would start a second pool of threads there.
    """
    return (image.clip(0, 1) * np.iinfo(dtype).max).round().astype(dtype)


def resize(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize an image (H, W, C) to (width, height): by area where it shrinks, bicubic where it grows."""
    if image.shape[1::-1] == tuple(size):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def _read(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f'cannot read image {path}: {error.strerror}') from error


def _decode(data: bytes, name: str | Path, flags: int) -> np.ndarray:
    """Decode to what OpenCV's flags ask for, in its own order of channels."""
    # OpenCV would write a warning of its own about a broken file to stderr; the error below reports it.
    level = _set_log_level(SILENT)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    _set_log_level(level)
    if image is None:
        raise DataError(f'image {name} ({len(data)} bytes) is not a whole image; write it again or remove its clip')
    return image
