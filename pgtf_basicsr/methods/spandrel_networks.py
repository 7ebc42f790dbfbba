"""Networks that spandrel and spandrel-extra-arches have, the extra ``methods``: CodeFormer and GFPGAN.

What restores is the network itself: spandrel's descriptors take frames in [0, 1], which these networks do not, clamp
the result to it, and have no place for arguments.
"""

from typing import TYPE_CHECKING, Literal

from torch import Tensor, nn

from ..argument_types import Share
from ..checkpoints import read_checkpoint
from ..errors import UserError, in_one_line
from .frame_method import FrameMethod
from .method import MethodNeeds
from .registry import METHOD_REGISTRY

if TYPE_CHECKING:
    from spandrel import ArchRegistry

__all__ = ['GFPGAN', 'CodeFormer']


@METHOD_REGISTRY.register()
class CodeFormer(FrameMethod):
    """CodeFormer (NeurIPS 2022), frame by frame.

    Args:
        weights (str): File of weights, such as codeformer.pth.
        fidelity (float): The paper's w, in [0, 1]: 0 draws on the codebook alone.
        device (str): auto, cpu, cuda or cuda:N.
        precision (str): fp32 or bf16, which rounds the logits of codes as well, so that others may win; spandrel says
            that it does not run in fp16.

    Raises:
        UserError: The file is not one of CodeFormer's, or the extra is not installed.
    """

    title = 'CodeFormer'
    needs = MethodNeeds(
        is_aligned=True,
        size=512,
        value_range=(-1.0, 1.0),
        licence='S-Lab License 1.0: non-commercial use only',
        is_restricted=True,
        weights='published at https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/codeformer.pth',
        packages=('spandrel', 'spandrel_extra_arches'),
    )

    def __init__(
        self, weights: str, fidelity: Share = 0.5, device: str = 'auto', precision: Literal['fp32', 'bf16'] = 'fp32'
    ) -> None:
        from spandrel_extra_arches import EXTRA_REGISTRY  # only where it is needed

        super().__init__(_load(weights, self.title, EXTRA_REGISTRY), device, precision)
        self._fidelity = fidelity

    def run_network(self, frame: Tensor) -> Tensor:
        """Restore a frame, see `FrameMethod.run_network`."""
        # spandrel's name of w; it takes any other name and ignores it.
        return self.net(frame, weight=self._fidelity)[0]


@METHOD_REGISTRY.register()
class GFPGAN(FrameMethod):
    """GFPGAN (CVPR 2021) of the architecture that its authors call clean, versions 1.2 to 1.4, frame by frame.

    Args:
        weights (str): File of weights, such as GFPGANv1.4.pth.
        randomize_noise (bool): Draw the noise of StyleGAN2's layers anew for each frame, as the authors' program does;
            else it is the one in the file, so that the result is reproducible and equal frames stay equal.
        device (str): auto, cpu, cuda or cuda:N.
        precision (str): fp32 or bf16; spandrel says that it does not run in fp16.

    Raises:
        UserError: The file is not one of GFPGAN's, or the extra is not installed.
    """

    title = 'GFPGAN'
    needs = MethodNeeds(
        is_aligned=True,
        size=512,
        value_range=(-1.0, 1.0),
        licence='Apache-2.0, but for parts of others that its LICENSE names',
        weights='published at https://github.com/TencentARC/GFPGAN/releases/download/v1.3.4/GFPGANv1.4.pth',
        packages=('spandrel',),
    )

    def __init__(
        self,
        weights: str,
        randomize_noise: bool = False,
        device: str = 'auto',
        precision: Literal['fp32', 'bf16'] = 'fp32',
    ) -> None:
        from spandrel import MAIN_REGISTRY  # only where it is needed

        super().__init__(_load(weights, self.title, MAIN_REGISTRY), device, precision)
        self._randomize_noise = randomize_noise

    def run_network(self, frame: Tensor) -> Tensor:
        """Restore a frame, see `FrameMethod.run_network`."""
        return self.net(frame, return_rgb=False, randomize_noise=self._randomize_noise)[0]


def _load(weights: str, name: str, registry: 'ArchRegistry') -> nn.Module:
    """Build the network `name` of a registry of spandrel's, with weights of a file."""
    from spandrel import canonicalize_state_dict

    state = canonicalize_state_dict(read_checkpoint(weights).state_dict())
    support = registry[name]
    if not support.detect(state):
        raise UserError(f'{weights} holds no weights of {name}: their tensors have other names')
    try:
        return support.architecture.load(state).model
    except Exception as error:  # weights of this kind that do not fit raise nearly anything
        raise UserError(f'{weights} cannot be loaded as {name}: {in_one_line(error)}') from error
