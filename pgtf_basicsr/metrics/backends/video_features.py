"""I3D, the network behind FVD: features of what happens in a clip."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...devices import find_device
from ...errors import UserError, in_one_line
from ...images import to_tensor
from ...network_files import Backend, Device, NetworkFile, load_backend, prepare_backend

__all__ = ['I3DFeatures', 'prepare_frame', 'prepare_video_features', 'video_feature_backend']

I3D_SIZE = 224


class I3DFeatures:
    """I3D (Carreira and Zisserman, CVPR 2017) trained on Kinetics-400: 400 numbers before the softmax.

    Args:
        weights (str | Path): The TorchScript file that StyleGAN-V and its successors use, ``i3d_torchscript.pt``.
        device (str): auto, cpu or cuda.

    Raises:
        UserError: The file is not TorchScript.
    """

    label = Backend('I3D, Kinetics-400', True)
    source = NetworkFile('i3d_torchscript.pt', 'https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1')

    def __init__(self, weights: str | Path, device: Device = 'auto') -> None:
        self._device = find_device(device)
        try:
            with warnings.catch_warnings():
                # TorchScript is deprecated, but this network is published in it.
                warnings.simplefilter('ignore')
                self._net = torch.jit.load(str(weights), map_location=self._device).eval()
        except (RuntimeError, ValueError) as error:
            raise UserError(f'{weights} cannot be read as TorchScript: {in_one_line(error)}') from error

    @torch.inference_mode()
    def __call__(self, frames: torch.Tensor) -> np.ndarray:
        """Vector (400,) float32 of frames (T, 3, 224, 224) in [-1, 1], as `prepare_frame` makes them."""
        video = frames.to(self._device).transpose(0, 1).unsqueeze(0)
        features = self._net(video, rescale=False, resize=False, return_features=True)
        return features[0].float().cpu().numpy()


def prepare_frame(frame: np.ndarray) -> torch.Tensor:
    """Convert a frame (H, W, 3) uint8 RGB to I3D's input, (3, 224, 224) in [-1, 1].

    The short side becomes 224 pixels (bilinear), and the middle is cut out.
    """
    image = to_tensor(frame).unsqueeze(0)
    height, width = image.shape[-2:]
    scale = I3D_SIZE / min(height, width)
    size = [max(round(side * scale), I3D_SIZE) for side in (height, width)]
    image = F.interpolate(image, size, mode='bilinear', align_corners=False)
    top, left = ((side - I3D_SIZE) // 2 for side in size)
    return 2 * image[0, :, top : top + I3D_SIZE, left : left + I3D_SIZE] - 1


def video_feature_backend(
    weights: str | None = None, device: Device = 'auto', download: bool = False, **options: Any
) -> I3DFeatures:
    """I3D, loaded once per process.

    Args:
        weights (str | None): Its TorchScript file; None searches the usual places.
        device (str): auto, cpu or cuda.
        download (bool): Whether the file may be fetched.
        **options: Other options of the metric, which are ignored.

    Raises:
        UserError: The file is missing or wrong.
    """
    return load_backend(I3DFeatures, weights, device, download)


def prepare_video_features(
    weights: str | None = None, device: Device = 'auto', download: bool = False, **options: Any
) -> Backend:
    """Check that I3D's file is there, without loading it; arguments as in `video_feature_backend`.

    Returns:
        Backend: Its label.

    Raises:
        UserError: The file is missing.
    """
    return prepare_backend(I3DFeatures, weights, device, download)
