"""LPIPS as a metric."""

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Ge
from basicsr.utils.registry import METRIC_REGISTRY

from ..config.metric_specification import ChannelOrder, MetricSpecification, specified_by
from ..devices import find_device
from ..losses import lpips_loss
from ..network_files import Backend, Device, NetworkFile
from .accumulators import as_rgb
from .unknown_options import refuse_unknown_options

__all__ = ['calculate_lpips', 'prepare_lpips']

NETWORKS = {
    'vgg': (
        NetworkFile('vgg16-397923af.pth', 'https://download.pytorch.org/models/vgg16-397923af.pth', '397923af'),
        Backend('LPIPS, VGG-16', True),
    ),
    'alex': (
        NetworkFile(
            'alexnet-owt-7be5be79.pth', 'https://download.pytorch.org/models/alexnet-owt-7be5be79.pth', '7be5be79'
        ),
        Backend("LPIPS, AlexNet, not the paper's", False),
    ),
}


def prepare_lpips(
    net: Literal['vgg', 'alex'] = 'vgg',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    **options: Any,
) -> Backend:
    """Check that the backbone is there, without loading it.

    The arguments are those of `calculate_lpips`.

    Returns:
        Backend: Its label.

    Raises:
        UserError: The file is missing.
    """
    find_device(device)
    file, label = NETWORKS[net]
    file.find(weights, download)
    return label


def _of_backbone(net: Literal['vgg', 'alex'] = 'vgg', **options: Any) -> dict[str, Any]:
    return {'title': 'LPIPS (AlexNet)', 'min_side': lpips_loss.NETWORKS['alex'][1]} if net == 'alex' else {}


@METRIC_REGISTRY.register()
@specified_by(
    MetricSpecification(
        title='LPIPS',
        better='lower',
        digits=4,
        min_side=lpips_loss.NETWORKS['vgg'][1],
        label=prepare_lpips,
        of_options=_of_backbone,
    )
)
def calculate_lpips(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: Annotated[int, Ge(0)] = 0,
    net: Literal['vgg', 'alex'] = 'vgg',
    weights: str | None = None,
    device: Device = 'auto',
    download: bool = False,
    channel_order: ChannelOrder = 'bgr',
    **kwargs: Any,
) -> float:
    """Learned perceptual distance of two frames (Zhang et al., CVPR 2018, version 0.1), lower is better.

    Args:
        img, img2 (ndarray): Restored and real frame (H, W, 3), uint8.
        crop_border (int): Pixels at each edge that are skipped.
        net (str): ``vgg``, as in tables, or ``alex``.
        weights (str | None): File of the backbone with torchvision's names; by default ``weights/``, facexlib's
            folder and the torch hub cache are searched.
        device (str): Where the network runs; auto takes a GPU where there is one.
        download (bool): Whether a missing file may be fetched.
        channel_order (str): Of the frames: bgr, as BasicSR hands them over, or rgb.

    Returns:
        float: 0 for equal frames.

    Raises:
        ValueError: Shapes differ, or the frames are too small for the network.
        UserError: The file is missing or wrong.
    """
    refuse_unknown_options(calculate_lpips, kwargs)
    network = _network(net, NETWORKS[net][0].find(weights, download), device)
    with torch.inference_mode():
        return network(*(_tensor(frame, crop_border, channel_order, device) for frame in (img, img2))).item()


@functools.cache
def _network(net: Literal['vgg', 'alex'], path: Path, device: Device) -> lpips_loss.LPIPSLoss:
    return lpips_loss.LPIPSLoss(net, str(path)).to(find_device(device))


def _tensor(frame: np.ndarray, crop_border: int, channel_order: ChannelOrder, device: Device) -> torch.Tensor:
    height, width = frame.shape[:2]
    cropped = frame[crop_border : height - crop_border, crop_border : width - crop_border]
    image = torch.from_numpy(np.array(as_rgb(cropped, channel_order))).to(find_device(device))
    return image.permute(2, 0, 1).unsqueeze(0) / 255
