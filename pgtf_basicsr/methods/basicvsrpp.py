"""BasicVSR++, BasicSR's own network, in chunks of a clip that overlap."""

import warnings
from collections.abc import Iterable, Iterator
from itertools import chain, islice

import torch
from basicsr.archs.basicvsrpp_arch import BasicVSRPlusPlus as BasicVSRPlusPlusNetwork
from basicsr.archs.basicvsrpp_arch import SecondOrderDeformableAlignment
from torch import Tensor, nn

from ..argument_types import Count
from ..checkpoints import StateDict, load_weights, read_checkpoint
from ..devices import find_device
from ..errors import require
from ..restoration.streaming import run_windows
from .fitting import restore_at_size
from .method import Method, MethodNeeds
from .registry import METHOD_REGISTRY

__all__ = ['BasicVSRPlusPlus']

# The first convolution of the variant whose output has the size of its input.
FIRST_LAYER = 'feat_extract.0.weight'


@METHOD_REGISTRY.register()
class BasicVSRPlusPlus(Method):
    """BasicVSR++ (CVPR 2022) of BasicSR for inputs of the output's size, with weights that VideoRecurrentModel trained.

    It propagates features through a whole clip, both ways. A longer clip is restored in chunks: memory does not grow
    with it. Neighbouring chunks share `overlap` frames, which are faded from one to the other by a raised cosine; all
    other frames are those of their chunk, to the last bit.

    Without a GPU BasicSR builds the network without its alignment, silently but for a warning. Here it has it wherever
    the weights do: torchvision's deformable convolution runs on CPUs too.

    Args:
        weights (str): File of weights.
        chunk (int): Frames of a chunk.
        overlap (int): Frames that neighbouring chunks share, less than half of a chunk.
        device (str): auto, cpu, cuda or cuda:N.

    Raises:
        UserError: The file cannot be read, its weights do not fit, or the overlap is too long.
    """

    title = 'BasicVSR++'
    needs = MethodNeeds(
        window=None,
        is_aligned=True,
        multiple_of=4,
        # Of a quarter of it optical flow is computed, for which the network asks for 64 pixels.
        minimum=256,
        licence='Apache-2.0',
        weights='nobody publishes them for faces; options/comparison/basicvsrpp.yml trains them',
    )

    def __init__(self, weights: str, chunk: Count = 30, overlap: int = 10, device: str = 'auto') -> None:
        require(
            0 <= 2 * overlap < chunk,
            f'method BasicVSRPlusPlus: overlap is {overlap}; it must be from 0 to below half of chunk, {chunk}',
        )
        self._chunk, self._overlap = chunk, overlap
        self._device = find_device(device)
        self.net = _load(weights, chunk).to(self._device).eval().requires_grad_(False)

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Restore the frames of a clip in chunks, see `Method.restore`."""
        return restore_at_size(frames, self.needs, self.title, self._restore)

    def _restore(self, frames: Iterator[Tensor]) -> Iterator[Tensor]:
        head = list(islice(frames, self._chunk))
        # A clip of one frame is restored as two equal ones: the network takes differences in time.
        length = max(2, len(head))
        stride = length - self._overlap if length == self._chunk else length
        return run_windows(lambda frame: frame, self._result, chain(head, frames), length, stride, device=self._device)

    def _result(self, frames: list[Tensor], output_frames: slice) -> Tensor:
        # The network remembers that a clip was its own mirror image, and takes all later ones for that, too.
        self.net.is_mirror_extended = False
        return self.net(torch.stack(frames, dim=1))[:, output_frames]


def _load(weights: str, chunk: int) -> BasicVSRPlusPlusNetwork:
    state = read_checkpoint(weights).state_dict()
    require(
        FIRST_LAYER in state,
        f'{weights} holds no weights of BasicVSR++ with is_low_res_input: false: it has no tensor {FIRST_LAYER}',
    )
    net = _build(state, chunk)
    load_weights(net, state, weights)
    return net


def _build(state: StateDict, chunk: int) -> BasicVSRPlusPlusNetwork:
    """Build the network that the tensors belong to."""
    mid_channels = len(state[FIRST_LAYER])
    blocks = {name.split('.')[4] for name in state if name.startswith('backbone.backward_1.main.2.')}
    with warnings.catch_warnings():
        # Of the alignment, which it leaves out without a GPU.
        warnings.simplefilter('ignore')
        net = BasicVSRPlusPlusNetwork(
            mid_channels,
            len(blocks),
            is_low_res_input=False,
            # Longer clips would be cached on the CPU, by code that needs a GPU.
            cpu_cache_length=max(2, chunk),
        )
    net.is_with_alignment = any(name.startswith('deform_align.') for name in state)
    branches = net.backbone if net.is_with_alignment else ()
    net.deform_align = nn.ModuleDict(
        {
            branch: SecondOrderDeformableAlignment(
                2 * mid_channels, mid_channels, 3, padding=1, deformable_groups=16, max_residue_magnitude=10
            )
            for branch in branches
        }
    )
    return net
