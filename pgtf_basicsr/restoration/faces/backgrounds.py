"""What restored faces are pasted into: the frame itself, or the frame enlarged."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ...checkpoints import read_checkpoint
from ...devices import PRECISIONS
from ...errors import UserError, in_one_line, require
from ...hub import find_weights
from ...images import resize, to_tensor
from ...video.formats import VideoFormat
from ...video.frame import Frame
from ...video.planes import Planes, to_planes
from ..settings import SCALES
from ..transfers import send
from .tiles import tiles

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor

__all__ = ['Background', 'PlainBackground', 'RealESRGANBackground']

# Side of a tile in pixels of the frame, and the pixels that it sees beyond its edge. benchmarks/background_tiles.py
# prints what others change.
TILE, OVERLAP = 512, 32


class Background(Protocol):
    """What makes the frames that restored faces are pasted into.

    Attributes:
        scale (int): Their width and height in those of the video.
        keeps_samples (bool): Whether they have the samples of the video. A face is then pasted as the change of it, and
            otherwise replaces what is there.
    """

    scale: int
    keeps_samples: bool

    def prepare(self, frame: Frame, format: VideoFormat) -> Planes:
        """Make the planes of one, `scale` times as wide and high as the frame.

        Args:
            frame (Frame): The frame of the video.
            format (VideoFormat): Of the planes.
        """


class PlainBackground:
    """The frames themselves: the decoder's own samples, or enlarged by bicubic interpolation.

    Args:
        scale (int): One of `settings.SCALES`.

    Raises:
        UserError: It is another one.
    """

    def __init__(self, scale: int = 1):
        self.scale = _valid(scale)
        self.keeps_samples = scale == 1

    def prepare(self, frame: Frame, format: VideoFormat) -> Planes:
        """Make the planes of a frame, see `Background`."""
        if self.scale == 1:
            return frame.planes(format)
        return to_planes(_enlarged(frame.image, frame.image, self.scale), format)


class RealESRGANBackground:
    """Frames that went through a network for super-resolution: Real-ESRGAN, or another one that spandrel knows.

    The network sees tiles of a frame, so that memory does not depend on the frame's size. Its result is resized where
    the network has another scale. Frames of more than 8 bits keep them: nothing is rounded on the way but the result.

    Args:
        weights (str | Path): A file of weights, or one on the Hub, see `hub.find_weights`.
        scale (int): One of `settings.SCALES`, whatever the network's own.
        device (device): Where it runs.
        precision (str): Of its arithmetic, one of `devices.PRECISIONS`.
        tile (int): Side of a tile in pixels of the frame.
        overlap (int): As of `tiles.tiles`.

    Raises:
        UserError: spandrel, the extra ``background``, is not installed; the file is missing, damaged or not a network
            from RGB to RGB that enlarges or cleans images; or it does not support the precision.
    """

    keeps_samples = False

    def __init__(
        self,
        weights: str | Path,
        scale: int,
        device: torch.device,
        precision: str = 'fp32',
        tile: int = TILE,
        overlap: int = OVERLAP,
    ):
        self.scale = _valid(scale)
        self._device, self._dtype = device, PRECISIONS[precision]
        self._tile, self._overlap = tile, overlap
        self._network = _load(find_weights(weights), precision).to(device)
        if precision != 'fp32':
            _keep_bits(self._network.model, self._dtype)

    def prepare(self, frame: Frame, format: VideoFormat) -> Planes:
        """Make the planes of a frame, see `Background`. Torch computes: to be called from one thread."""
        return to_planes(self.enhance(frame.image), format)

    def enhance(self, image: np.ndarray) -> np.ndarray:
        """Enlarge an image (H, W, 3) of RGB, uint8 or uint16 (0 to 65535); the result is of the same type."""
        network, (height, width) = self._network, image.shape[:2]
        # Of the network's pixels to one of the result, where that is a whole number: means of them are the result.
        reduced = network.scale // self.scale if network.scale % self.scale == 0 else 1
        scale = network.scale // reduced
        result = torch.zeros(3, height * scale, width * scale, device=self._device)
        for tile in tiles(height, width, self._tile, self._overlap, network.size_requirements.multiple_of):
            seen = send(to_tensor(image[tile.seen]), self._device)
            with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
                restored = network(seen[None])[0]
            rows, columns = (slice(part.start * scale, part.stop * scale) for part in tile.seen)
            down, across = (send(torch.from_numpy(share.repeat(scale)), self._device) for share in tile.shares)
            result[:, rows, columns] += avg_pool2d(restored.float(), reduced) * down[:, None] * across
        samples = (result * np.iinfo(image.dtype).max).round().to(getattr(torch, image.dtype.name))
        return _enlarged(samples.movedim(0, -1).contiguous().cpu().numpy(), image, self.scale)


def _valid(scale: int) -> int:
    require(scale in SCALES, f'scale must be one of {", ".join(map(str, SCALES))}, not {scale}')
    return scale


def _enlarged(image: np.ndarray, original: np.ndarray, scale: int) -> np.ndarray:
    return resize(image, (original.shape[1] * scale, original.shape[0] * scale))


def _load(path: Path, precision: str) -> 'ImageModelDescriptor[Any]':
    try:
        import spandrel  # only where it is needed
    except ImportError as error:
        raise UserError(
            'a background that is restored needs spandrel, the extra background: pip install "pgtf-basicsr[background]"'
        ) from error
    state = read_checkpoint(path).state_dict()
    try:
        network = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(state))
    except spandrel.UnsupportedModelError as error:
        raise UserError(
            f'{path} holds no network that enlarges images: it is none that spandrel knows, such as Real-ESRGAN'
        ) from error
    except Exception as error:  # weights of a known kind that do not fit it raise nearly anything
        raise UserError(f'{path} cannot be loaded as a network that enlarges images: {in_one_line(error)}') from error
    name = network.architecture.name
    require(
        isinstance(network, spandrel.ImageModelDescriptor) and network.purpose in ('SR', 'Restoration'),
        f'{path} holds {name}, which is for {network.purpose}: a background needs a network that enlarges images',
    )
    channels = network.input_channels, network.output_channels
    require(
        channels == (3, 3),
        f'{path} holds a network from {channels[0]} to {channels[1]} channels: a background needs one from RGB to RGB',
    )
    supported = {'fp32': True, 'bf16': network.supports_bfloat16, 'fp16': network.supports_half}
    require(supported[precision], f'{path} holds {name}, which does not run in {precision}: choose another precision')
    return network.eval()


def _keep_bits(net: nn.Module, dtype: torch.dtype) -> None:
    """Let the first and last convolution compute in fp32 within autocast: bf16 would leave 8 bits of the image."""
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    for convolution, result in (convolutions[0], dtype), (convolutions[-1], torch.float32):
        convolution.forward = partial(_in_fp32, convolution.forward, result)  # type: ignore[method-assign]


def _in_fp32(forward: Callable[[Tensor], Tensor], dtype: torch.dtype, features: Tensor) -> Tensor:
    with torch.autocast(features.device.type, enabled=False):
        return forward(features.float()).to(dtype)
