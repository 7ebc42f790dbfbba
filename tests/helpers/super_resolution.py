"""Small networks for super-resolution, saved as Real-ESRGAN's are."""

import numpy as np
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet

from .videos import moving_frames


def noisy(height, width, dtype=np.uint8):
    smooth = moving_frames(1, width, height)[0] / 255
    noise = np.random.default_rng(0).normal(0, 0.04, smooth.shape)
    return ((smooth + noise).clip(0, 1) * np.iinfo(dtype).max).round().astype(dtype)


def seeded(make):
    """A network whose results fill the range and differ from pixel to pixel."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        net = make().eval().requires_grad_(False)
        for name, parameter in net.named_parameters():
            if name.endswith('weight') and parameter.ndim == 4:
                torch.nn.init.kaiming_normal_(parameter, a=0.2)
        if isinstance(net, RRDBNet):
            net.conv_last.weight.mul_(0.05)
            net.conv_last.bias.fill_(0.5)
        else:
            net.body[-1].weight.mul_(0.1)
    return net


def rrdbnet(scale=4, channels=3):
    return seeded(lambda: RRDBNet(channels, channels, scale, num_feat=8, num_block=1, num_grow_ch=32))


def saved(net, path, key='params_ema'):
    torch.save({key: net.state_dict()}, path)
    return path
