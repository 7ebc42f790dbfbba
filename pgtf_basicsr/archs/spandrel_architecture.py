"""PGTFormer in programs that load networks with spandrel, which recognises them by their tensors.

It needs spandrel, the extra ``spandrel``. Nothing is registered on import::

    from pgtf_basicsr.archs import spandrel_architecture
    spandrel_architecture.install()

    image_model = spandrel.ModelLoader().load_from_file('net_g_latest.pth')
    restored = image_model(image)  # (1, 3, H, W), RGB in [0, 1]
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import spandrel
from spandrel.util import KeyCondition, get_seq_len
from torch import Tensor

from ..checkpoints import load_weights
from ..errors import require
from .pgtformer_arch import PGTFormer
from .published_names import own_state_dict

__all__ = ['PGTFormerArchitecture', 'describe', 'install']

# A state dict has all tensors of one of these lines. The first two have a position code of face parsing, the last two
# a learned one; each has this package's names, or the published ones.
IS_PGTFORMER = KeyCondition.has_any(
    KeyCondition.has_all('codebook.code_sum', 'predictor.position.weight', 'parsing_net.conv_out.conv_out.weight'),
    KeyCondition.has_all('quantizer.codebooks.0.embed_ema', 'convpos.weight', 'conditionnet.conv_out.conv_out.weight'),
    KeyCondition.has_all('codebook.code_sum', 'predictor.position.embedding'),
    KeyCondition.has_all('quantizer.codebooks.0.embed_ema', 'convpos.embedding'),
)
LOAD_OTHERWISE = 'load this network with PGTFormer.from_pretrained and use spandrel_architecture.describe'

Shapes = Mapping[str, tuple[int, ...]]


class PGTFormerArchitecture(spandrel.Architecture[PGTFormer]):
    """What spandrel needs to know of PGTFormer: its tensors, under this package's names or the published ones."""

    def __init__(self) -> None:
        super().__init__(id='PGTFormer', detect=IS_PGTFORMER)

    def load(self, state_dict: dict[str, Any]) -> 'spandrel.ImageModelDescriptor[PGTFormer]':
        """Build the network that a state dict belongs to, see :func:`arguments_of`.

        Raises:
            UserError: The tensors do not determine the network, or do not fit it.
        """
        state = own_state_dict(state_dict)
        net = PGTFormer(**arguments_of(state))
        load_weights(net, state, 'the state dict')
        return describe(net)


def install(*, ignore_duplicates: bool = False) -> None:
    """Register PGTFormer in spandrel's MAIN_REGISTRY, which all its loaders use unless told otherwise.

    Args:
        ignore_duplicates (bool): Leave what has been registered under this name. Default: False.

    Raises:
        DuplicateArchitectureError: Something has been.
    """
    support = spandrel.ArchSupport.from_architecture(PGTFormerArchitecture())
    spandrel.MAIN_REGISTRY.add(support, ignore_duplicates=ignore_duplicates)


def describe(net: PGTFormer) -> 'spandrel.ImageModelDescriptor[PGTFormer]':
    """Describe a network to programs that restore single images.

    An image is restored as the middle one of T equal frames. The face has to be aligned and whole: tiles of it are
    restored badly, because attention is over the whole frame.

    Args:
        net (PGTFormer): The network; `PGTFormer.from_pretrained` loads those that tensors alone do not determine.

    Returns:
        ImageModelDescriptor: Of scale 1. Neither fp16 nor bf16 is supported: a cast of the whole network would round
            the logits of the codes as well, see `inference.for_inference`.
    """
    return spandrel.ImageModelDescriptor(
        net,
        net.state_dict(),
        architecture=PGTFormerArchitecture(),
        purpose='FaceSR',
        tags=[f'{net.image_size}px', f'{net.num_frames} frames'],
        supports_half=False,
        supports_bfloat16=False,
        scale=1,
        input_channels=3,
        output_channels=3,
        size_requirements=spandrel.SizeRequirements(net.requirements.minimum, net.requirements.multiple_of),
        tiling=spandrel.ModelTiling.DISCOURAGED,
        call_fn=restore_image,
    )


def restore_image(net: PGTFormer, image: Tensor) -> Tensor:
    """Restore images (N, 3, H, W) as the middle ones of T equal frames."""
    clip = image[:, None].expand(-1, net.num_frames, -1, -1, -1)
    return net(clip)[:, net.num_frames // 2]


def arguments_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the arguments of PGTFormer off its tensors.

    Three cannot be read off and are taken as the paper's: ``predictor_heads``, ``adain``, and with parsing as position
    code ``predictor_attention``. The sizes of the levels are those in the names of the regulators.

    Args:
        state (Mapping[str, Tensor]): A state dict under own names.

    Returns:
        dict[str, Any]: The arguments.

    Raises:
        UserError: The regulators fit levels of no size, or of more than one; or nothing says how many frames a clip
            has, without the temporal feature of regulators and with face parsing.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    channels = [
        shapes[f'encoder.levels.{level}.blocks.0.conv1.weight'][0]
        for level in range(get_seq_len(state, 'encoder.levels'))
    ]
    regulated = {
        int(name.split('.')[1]): shape[0]
        for name, shape in shapes.items()
        if name.startswith('regulators.') and name.endswith('.scale.0.weight')
    }
    image_size = size_of_levels(channels, regulated)
    codebook_size, codebook_dim = shapes['codebook.weight']
    arguments = {
        'image_size': image_size,
        'width': channels[0],
        'multipliers': [count // channels[0] for count in channels],
        'z_channels': shapes['to_latents.weight'][1],
        'codebook_size': codebook_size,
        'codebook_dim': codebook_dim,
        'predictor_width': shapes['predictor.norm.weight'][0],
        'predictor_layers': get_seq_len(state, 'predictor.layers'),
        'predictor_mlp': shapes['predictor.layers.0.linear1.weight'][0],
        'tfr_levels': sorted(regulated),
        **position_arguments(shapes),
        **regulator_arguments(shapes, f'regulators.{max(regulated)}'),
    }
    require(
        'num_frames' in arguments,
        'the tensors do not say how many frames a clip has, for regulators have no temporal feature: ' + LOAD_OTHERWISE,
    )
    levels = [image_size // 2**level for level in range(len(channels))]
    return arguments | swin_arguments(shapes, levels, channels[-1], arguments['num_frames'])


def position_arguments(shapes: Shapes) -> dict[str, Any]:
    """Read off what the position code of the predictor depends on."""
    if 'predictor.position.weight' in shapes:
        return {'num_classes': shapes['predictor.position.weight'][1] // 3}
    num_frames = shapes['predictor.position.embedding'][0]
    arguments: dict[str, Any] = {'predictor_position': 'learned'}
    # One vector for the tokens of all frames.
    return arguments | ({'predictor_attention': 'spatial'} if num_frames == 1 else {'num_frames': num_frames})


def regulator_arguments(shapes: Shapes, regulator: str) -> dict[str, Any]:
    """Read off what the regulator of this name depends on, but its size and channels."""
    if f'{regulator}.mix_frames.weight' not in shapes:
        return {'tfr_temporal': False}
    tfr_channels = shapes[f'{regulator}.mix_channels.weight'][0]
    return {'num_frames': shapes[f'{regulator}.mix_frames.weight'][0] // tfr_channels, 'tfr_channels': tfr_channels}


def swin_arguments(shapes: Shapes, levels: Sequence[int], channels: int, num_frames: int) -> dict[str, Any]:
    """Read off what the Swin layers of these levels and of the middle, of so many channels, depend on."""
    if 'encoder.middle.swin.blocks.0.norm1.weight' not in shapes:
        return {'swin3d': False, 'swin_levels': []}
    offsets, num_heads = shapes['encoder.middle.swin.blocks.0.attn.relative_position_bias_table']
    return {
        'swin_levels': [
            size
            for level, size in enumerate(levels)
            if f'encoder.levels.{level}.swin.0.blocks.0.norm1.weight' in shapes
        ],
        'num_heads': num_heads,
        'window_size': (math.isqrt(offsets // (2 * num_frames - 1)) + 1) // 2,
        'mlp_ratio': shapes['encoder.middle.swin.blocks.0.mlp.fc1.weight'][0] / channels,
    }


def size_of_levels(channels: list[int], regulated: Mapping[int, int]) -> int:
    """Find the size of the finest level, of which the regulators {size: channels} are those of some levels."""
    sizes = [max(regulated, default=0) * 2**level for level in range(len(channels))]
    fitting = [
        size
        for size in sizes
        if regulated.items() <= {size // 2**level: count for level, count in enumerate(channels)}.items()
    ]
    require(
        len(fitting) == 1,
        f'regulators {sorted(regulated)} do not determine the sizes of {len(channels)} levels of {channels} channels: '
        + LOAD_OTHERWISE,
    )
    return fitting[0]
