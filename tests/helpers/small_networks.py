"""Networks of every kind, small, with checkpoints as training writes them."""

import torch

from pgtf_basicsr.archs import TSVQGAN, FaceParsingNet, PGTFormer, VQGANDiscriminator
from pgtf_basicsr.checkpoints import origin

AUTOENCODER = dict(
    image_size=32,
    width=32,
    multipliers=[1, 1],
    swin_levels=[],
    num_heads=2,
    z_channels=32,
    codebook_size=16,
    codebook_dim=32,
)
# With frames that see each other in the encoder and decoder as well.
SWIN_AUTOENCODER = dict(AUTOENCODER, num_frames=3, multipliers=[1, 1, 1], swin_levels=[8])
SWIN_PGTFORMER = dict(
    SWIN_AUTOENCODER, predictor_width=32, predictor_layers=1, predictor_heads=2, predictor_mlp=32, tfr_levels=[8]
)
OPTIONS = {
    PGTFormer: dict(
        predictor_width=32, predictor_layers=1, predictor_heads=2, predictor_mlp=32, tfr_levels=[16], **AUTOENCODER
    ),
    TSVQGAN: AUTOENCODER,
    FaceParsingNet: dict(num_classes=3),
    VQGANDiscriminator: dict(num_feat=8, num_layers=2),
}


def build(kind, seed=0):
    """A network of a kind with drawn weights, none of which is zero, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = kind(**OPTIONS[kind]).eval()
        for name, parameter in net.named_parameters():
            if name.startswith('regulators.'):
                torch.nn.init.normal_(parameter, std=0.05)
    return net


def write(path, kind, stage=3, **states):
    """Write a checkpoint of iteration 7 with state dicts by their keys."""
    network = {'type': kind.__name__, **OPTIONS[kind]}
    source = origin(7, 'options/stage3.yml', 'small', stage)
    torch.save({**states, 'network': network, 'checkpoint': source}, path)
    return path
