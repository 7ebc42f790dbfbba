"""What restorations of the quickstart's network take as input: a video and weights, both made here.

Weights are random: they change nothing of what is computed.
"""

from fractions import Fraction

import numpy as np
import torch

from pgtf_basicsr import config  # before basicsr, which does not import on its own
from pgtf_basicsr.checkpoints import write_checkpoint
from pgtf_basicsr.config.packaged.files import find_option_file
from pgtf_basicsr.video import VideoWriter

from basicsr.archs import build_network  # isort: skip

RATE = 25


def write_weights(path):
    """Write weights of the quickstart's network."""
    torch.manual_seed(0)
    network = config.load(find_option_file('quickstart/stage3.yml'))['network_g']
    write_checkpoint(path, {'params': build_network(dict(network)).state_dict(), 'network': network})
    return path


def write_video(path, frames, side):
    """Write a video of moving stripes of a number of frames of a size."""
    y, x = np.mgrid[:side, :side]
    with VideoWriter(path, Fraction(RATE), side, side) as writer:
        for number in range(frames):
            stripes = 128 + 100 * np.sin((x + number) / 7)
            writer.write(np.stack([stripes, 2.0 * y % 256, 0.5 * stripes], axis=-1).astype(np.uint8))
    return path
