"""HiFaceGAN, BasicSR's own network."""

from typing import Literal

from basicsr.archs.hifacegan_arch import HiFaceGAN as HiFaceGANNetwork

from ..checkpoints import StateDict, load_weights, read_checkpoint
from ..errors import require
from .frame_method import FrameMethod
from .method import MethodNeeds
from .registry import METHOD_REGISTRY

__all__ = ['HiFaceGAN']

# Of BatchNorm in place of the default InstanceNorm.
RUNNING_STATISTICS = ('running_mean', 'running_var', 'num_batches_tracked')
# A width that the shape of the first layer shows.
FIRST_LAYER = 'lip_encoder.model.0.weight'


@METHOD_REGISTRY.register()
class HiFaceGAN(FrameMethod):
    """HiFaceGAN (ACM MM 2020), frame by frame, with weights that BasicSR's HiFaceGANModel trained.

    The network runs in eval mode, so that a frame does not depend on those before: in training mode each forward pass
    would move the vectors of its spectral normalisation. It normalises each frame by its own statistics. Weights that
    were trained with BatchNorm (``norm_g: spectralspadebatch3x3``) are run so as well, which is what BatchNorm does in
    training mode with one frame; BasicSR asks for that mode in tests, too.

    Args:
        weights (str): File of weights.
        device (str): auto, cpu, cuda or cuda:N.
        precision (str): fp32 or bf16.

    Raises:
        UserError: The file cannot be read, or its weights do not fit.
    """

    title = 'HiFaceGAN'
    needs = MethodNeeds(
        is_aligned=True,
        multiple_of=32,
        minimum=64,
        licence='Apache-2.0',
        weights='nobody publishes them for videos of faces; options/comparison/hifacegan.yml trains them',
    )

    def __init__(self, weights: str, device: str = 'auto', precision: Literal['fp32', 'bf16'] = 'fp32') -> None:
        super().__init__(_load(weights), device, precision)


def _load(weights: str) -> HiFaceGANNetwork:
    state: StateDict = {
        name: tensor
        for name, tensor in read_checkpoint(weights).state_dict().items()
        if not name.endswith(RUNNING_STATISTICS)
    }
    require(FIRST_LAYER in state, f'{weights} holds no weights of HiFaceGAN: it has no tensor {FIRST_LAYER}')
    # The size concerns a variant alone, the variational one. Of the two names of InstanceNorm it takes the one that
    # BasicSR does not comment on stdout.
    net = HiFaceGANNetwork(
        num_feat=len(state[FIRST_LAYER]), use_vae=False, norm_g='spectralspadeinstance3x3', is_train=False
    )
    load_weights(net, state, weights)
    return net
