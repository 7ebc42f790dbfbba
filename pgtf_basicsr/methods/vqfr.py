"""VQFR as a method."""

from typing import Literal

from torch import Tensor

from ..argument_types import Share
from ..checkpoints import load_weights, read_checkpoint
from ..errors import UserError, in_one_line
from .frame_method import FrameMethod
from .method import MethodNeeds
from .networks import VQFRv1, VQFRv2
from .registry import METHOD_REGISTRY
from .weights import width_of

__all__ = ['VQFR']


@METHOD_REGISTRY.register()
class VQFR(FrameMethod):
    """VQFR (ECCV 2022), frame by frame. Version 1 is the paper's; the file of weights decides.

    Args:
        weights (str): File of weights, VQFR_v1-33a1fac5.pth or VQFR_v2.pth.
        fidelity (float | None): Of version 2 alone, in [0, 1]: 0, its authors' default, draws on the codebook alone.
        device (str): auto, cpu, cuda or cuda:N.
        precision (str): fp32 or bf16.

    Raises:
        UserError: The file is not one of VQFR's, or is of version 1, which has no fidelity.
    """

    title = 'VQFR'
    needs = MethodNeeds(
        is_aligned=True,
        size=512,
        value_range=(-1.0, 1.0),
        licence='Apache-2.0, but for parts of others that its LICENSE names',
        weights=(
            'published at https://github.com/TencentARC/VQFR/releases/download/v2.0.0/VQFR_v2.pth; for version 1 see '
            'https://github.com/TencentARC/VQFR'
        ),
    )

    def __init__(
        self,
        weights: str,
        fidelity: Share | None = None,
        device: str = 'auto',
        precision: Literal['fp32', 'bf16'] = 'fp32',
    ) -> None:
        net = _load(weights)
        if fidelity is not None and isinstance(net, VQFRv1):
            raise UserError(f'{weights} is of version 1 of VQFR, which has no fidelity: leave the option out')
        super().__init__(net, device, precision)
        self._arguments = {} if fidelity is None else {'fidelity': fidelity}

    def run_network(self, frame: Tensor) -> Tensor:
        """Restore a frame, see `FrameMethod.run_network`."""
        return self.net(frame, **self._arguments)


def _load(weights: str) -> VQFRv1 | VQFRv2:
    """Build the version that a file holds the weights of, of its widths."""
    state = read_checkpoint(weights).state_dict()
    version = next((kind for kind in (VQFRv1, VQFRv2) if kind.CODEBOOK in state), None)
    if version is None:
        raise UserError(f'{weights} holds no weights of VQFR: their tensors have other names')
    width = width_of(state, 'encoder.conv_in.weight', weights, version.__name__)
    try:
        net = version(width, *state[version.CODEBOOK].shape)
    except Exception as error:  # whatever shapes that are none of a network's lead to
        raise UserError(f'{weights} cannot be loaded as {version.__name__}: {in_one_line(error)}') from error
    load_weights(net, state, weights)
    return net
