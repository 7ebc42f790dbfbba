"""Tensor names of the published PGTFormer checkpoints, and the names they have here."""

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ['own_state_dict']

# Applied in this order. No rule matches a name of this package, so its own state dicts pass.
RULES = tuple(
    (re.compile(pattern), name)
    for pattern, name in [
        (r'^quantizer\.codebooks\.(\d+\.)?', 'codebook.'),
        (r'\bcluster_size_ema$', 'code_size'),
        (r'\bembed_ema$', 'code_sum'),
        (r'^quant_conv\.', 'to_latents.'),
        (r'^post_quant_conv\.', 'from_latents.'),
        (r'\b(down|up)\.(\d+)\.block\.', r'levels.\2.blocks.'),
        (r'\b(down|up)\.(\d+)\.attn\.', r'levels.\2.swin.'),
        (r'\b(down|up)\.(\d+)\.(down|up)sample\.', r'levels.\2.resample.'),
        (r'\bmid\.block_', 'middle.block'),
        (r'\bmid\.attn_1\.', 'middle.swin.'),
        (r'\bnin_shortcut\.', 'shortcut.'),
        (r'^conditionnet\.', 'parsing_net.'),
        (r'^convpos\.', 'predictor.position.'),
        (r'^feat_emb\.', 'predictor.embedding.'),
        (r'^ft_layers\.', 'predictor.layers.'),
        (r'^idx_pred_layer\.0\.', 'predictor.norm.'),
        (r'^idx_pred_layer\.1\.', 'predictor.head.'),
        (r'^fuse_convs_dict\.', 'regulators.'),
        (r'\bencode_enc\.conv_out\.', 'block.shortcut.'),
        (r'\bencode_enc\.', 'block.'),
        (r'\btconvenc\.', 'reduce_encoder.'),
        (r'\btconvdec\.', 'reduce_decoder.'),
        (r'\btfusion0\.', 'mix_frames.'),
        (r'\btfusion1\.', 'mix_channels.'),
    ]
)


def own_state_dict(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a state dict to the names of this package.

    The published checkpoint holds two things more than a network needs: the index tables of
    the position biases, which follow from sizes, and a last codebook row that is never chosen.

    Args:
        state (Mapping[str, Tensor]): Published names, own names, or a part of either.

    Returns:
        dict[str, Tensor]: The same tensors under own names.
    """
    own = {}
    for name, tensor in state.items():
        if name.endswith('relative_position_index'):
            continue
        if name.startswith('quantizer.') and name.endswith('.weight'):
            tensor = tensor[:-1]
        for pattern, replacement in RULES:
            name = pattern.sub(replacement, name)
        own[name] = tensor
    return own
