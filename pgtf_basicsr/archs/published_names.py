"""Tensor names of the published PGTFormer checkpoints, and the names they have here."""

import re
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks.swin3d import WindowAttention, relative_position_index

__all__ = ['are_published', 'own_state_dict', 'published_state_dict']

Rules = tuple[tuple[re.Pattern[str], str], ...]

# From published to own names, applied in this order. No rule matches a name of this package, so own state dicts pass.
TO_OWN: Rules = tuple(
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
# From own to published names, applied in this order.
TO_PUBLISHED: Rules = tuple(
    (re.compile(pattern), name)
    for pattern, name in [
        (r'^codebook\.weight$', 'quantizer.codebooks.0.weight'),
        (r'^codebook\.code_size$', 'quantizer.codebooks.0.cluster_size_ema'),
        (r'^codebook\.code_sum$', 'quantizer.codebooks.0.embed_ema'),
        (r'^to_latents\.', 'quant_conv.'),
        (r'^from_latents\.', 'post_quant_conv.'),
        (r'^(encoder|decoder)\.middle\.block', r'\1.mid.block_'),
        (r'^(encoder|decoder)\.middle\.swin\.', r'\1.mid.attn_1.'),
        (r'^encoder\.levels\.', 'encoder.down.'),
        (r'^decoder\.levels\.', 'decoder.up.'),
        (r'\b(down|up)\.(\d+)\.blocks\.', r'\1.\2.block.'),
        (r'\b(down|up)\.(\d+)\.swin\.', r'\1.\2.attn.'),
        (r'\b(down|up)\.(\d+)\.resample\.', r'\1.\2.\1sample.'),
        (r'\b(down|up)\.(\d+)\.block\.(\d+)\.shortcut\.', r'\1.\2.block.\3.nin_shortcut.'),
        (r'^parsing_net\.', 'conditionnet.'),
        (r'^predictor\.position\.', 'convpos.'),
        (r'^predictor\.embedding\.', 'feat_emb.'),
        (r'^predictor\.layers\.', 'ft_layers.'),
        (r'^predictor\.norm\.', 'idx_pred_layer.0.'),
        (r'^predictor\.head\.', 'idx_pred_layer.1.'),
        (r'^regulators\.(\d+)\.block\.shortcut\.', r'fuse_convs_dict.\1.encode_enc.conv_out.'),
        (r'^regulators\.(\d+)\.block\.', r'fuse_convs_dict.\1.encode_enc.'),
        (r'^regulators\.(\d+)\.reduce_encoder\.', r'fuse_convs_dict.\1.tconvenc.'),
        (r'^regulators\.(\d+)\.reduce_decoder\.', r'fuse_convs_dict.\1.tconvdec.'),
        (r'^regulators\.(\d+)\.mix_frames\.', r'fuse_convs_dict.\1.tfusion0.'),
        (r'^regulators\.(\d+)\.mix_channels\.', r'fuse_convs_dict.\1.tfusion1.'),
        (r'^regulators\.', 'fuse_convs_dict.'),
    ]
)


def are_published(names: Iterable[str]) -> bool:
    """Whether there are names of tensors among these that only published checkpoints have."""
    return any(_renamed(name, TO_OWN) != name for name in names)


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
        if name.startswith('quantizer.') and name.endswith('.weight') and tensor.dim():
            tensor = tensor[:-1]
        own[_renamed(name, TO_OWN)] = tensor
    return own


def published_state_dict(net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of a TSVQGAN or PGTFormer to the published names: the inverse of `own_state_dict`.

    Args:
        net (nn.Module): The network, of which the sizes of its windows are taken.
        state (Mapping[str, Tensor]): Its state dict, under own names.

    Returns:
        dict[str, Tensor]: The same tensors under published names. The codebook has one more row, of zeros, and there
        are the index tables of the position biases.
    """
    published = {_renamed(name, TO_PUBLISHED): tensor for name, tensor in state.items()}
    for name, module in net.named_modules():
        if isinstance(module, WindowAttention):
            side = module.window_size
            index = relative_position_index(module.num_frames, side, side, side, torch.device('cpu'))
            published[_renamed(f'{name}.relative_position_index', TO_PUBLISHED)] = index
    codebook = 'quantizer.codebooks.0.weight'
    published[codebook] = F.pad(published[codebook], (0, 0, 0, 1))
    return published


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        name = pattern.sub(replacement, name)
    return name
