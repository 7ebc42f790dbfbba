"""Arguments of the published PGTFormer, as its folder on the Hugging Face Hub states them, and what they are here."""

from collections.abc import Mapping
from typing import Any

__all__ = ['own_arguments']


def own_arguments(published: Mapping[str, Any]) -> dict[str, Any] | None:
    """Convert the arguments of a published PGTFormer to those of this package.

    Those that change no output are left out, such as checkpointing and dropout, and those of which the published code
    allows one value only.

    Args:
        published (Mapping[str, Any]): Names and values of its ``config.json``, which are those of ``network_g`` in its
            option files.

    Returns:
        dict[str, Any] | None: Arguments of `PGTFormer`; None if they are not understood.
    """
    try:
        autoencoder = published['ddconfig']
        return {
            'image_size': autoencoder['resolution'],
            'num_frames': autoencoder['num_frames'],
            'width': autoencoder['ch'],
            'multipliers': list(autoencoder['ch_mult']),
            'swin_levels': sorted(autoencoder['attn_resolutions'], reverse=True),
            'num_heads': autoencoder['num_heads'][-1],
            'window_size': autoencoder['window_sizes'][-1][0],
            'z_channels': autoencoder['z_channels'],
            'codebook_size': published['n_embed'],
            'codebook_dim': published['embed_dim'],
            'codebook_decay': published['decay'],
            'predictor_width': published['dim_embd'],
            'predictor_layers': published['n_layers'],
            'predictor_heads': published['n_head'],
            'predictor_mlp': 2 * published['dim_embd'],
            'tfr_levels': [int(level) for level in published['connect_list']],
            'adain': published['adain'],
        }
    except (LookupError, TypeError, ValueError):
        return None
