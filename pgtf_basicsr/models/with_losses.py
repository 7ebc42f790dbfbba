"""BasicSR's own models with any number of losses besides those that they read."""

from collections import OrderedDict
from typing import Any

from basicsr.models.edvr_model import EDVRModel
from basicsr.models.esrgan_model import ESRGANModel
from basicsr.models.sr_model import SRModel
from basicsr.models.srgan_model import SRGANModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.models.video_recurrent_gan_model import VideoRecurrentGANModel
from basicsr.models.video_recurrent_model import VideoRecurrentModel
from basicsr.utils.registry import MODEL_REGISTRY
from torch import Tensor

from ..losses import CombinedLoss
from .with_losses_options import PIXEL_LOSS, OptionsWithLosses

__all__ = [
    'EDVRModelWithLosses',
    'ESRGANModelWithLosses',
    'SRGANModelWithLosses',
    'SRModelWithLosses',
    'VideoModelWithLosses',
    'VideoRecurrentGANModelWithLosses',
    'VideoRecurrentModelWithLosses',
    'WithLosses',
]


class WithLosses:
    """Mixin of models derived from BasicSR's SRModel: they train with all losses of ``train.losses``.

    Each is logged as ``l_<name>``, beside those that the model logs itself::

        train:
          pixel_opt: {type: L1Loss}
          losses:
            msrl: {type: MSRLLoss, scales: [1, 2, 3]}
            lpips: {type: LPIPSLoss, net: vgg, loss_weight: 0.5}

    A loss of ``perceptual_opt`` need not return a pair. For another model::

        @MODEL_REGISTRY.register()
        class SwinIRModelWithLosses(WithLosses, SwinIRModel):
            pass

    The model's own ``optimize_parameters`` stays: what it takes for the pixel loss is the sum of all.

    Args:
        opt (dict): The options of a run, see :class:`OptionsWithLosses`.
    """

    option_types = OptionsWithLosses
    opt: dict[str, Any]
    cri_pix: Any

    def __init__(self, opt: dict[str, Any]) -> None:
        self.options = self.option_types.of_model(self, opt)
        super().__init__(opt)  # type: ignore[call-arg]

    def init_training_settings(self) -> None:
        train = self.opt['train']
        losses = dict(train.get('losses') or {})
        if train.get('pixel_opt'):
            losses = {PIXEL_LOSS: train['pixel_opt'], **losses}
        changed = {'pixel_opt': {'type': CombinedLoss.__name__, 'losses': losses} if losses else None}
        if train.get('perceptual_opt'):
            changed['perceptual_opt'] = {'type': 'PerceptualPair', 'loss': train['perceptual_opt']}
        self.opt['train'] = {**train, **changed}
        super().init_training_settings()  # type: ignore[misc]

    def reduce_loss_dict(self, loss_dict: OrderedDict[str, Tensor]) -> dict[str, float]:
        """Log each loss in place of the sum that the model takes for the pixel loss."""
        total = next((name for name in loss_dict if name in ('l_pix', 'l_g_pix')), None)
        if total is not None:
            values = {f'l_{name}': value for name, value in self.cri_pix.values.items()}
            pixel_loss = values.pop(f'l_{PIXEL_LOSS}', None)
            if pixel_loss is None:
                del loss_dict[total]
            else:
                loss_dict[total] = pixel_loss
            loss_dict.update(values)
        return super().reduce_loss_dict(loss_dict)  # type: ignore[misc]


@MODEL_REGISTRY.register()
class SRModelWithLosses(WithLosses, SRModel):
    """BasicSR's SRModel with the losses of ``train.losses``."""


@MODEL_REGISTRY.register()
class SRGANModelWithLosses(WithLosses, SRGANModel):
    """BasicSR's SRGANModel with the losses of ``train.losses``."""


@MODEL_REGISTRY.register()
class ESRGANModelWithLosses(WithLosses, ESRGANModel):
    """BasicSR's ESRGANModel with the losses of ``train.losses``."""


@MODEL_REGISTRY.register()
class VideoModelWithLosses(WithLosses, VideoBaseModel):
    """BasicSR's VideoBaseModel with the losses of ``train.losses``."""


@MODEL_REGISTRY.register()
class EDVRModelWithLosses(WithLosses, EDVRModel):
    """BasicSR's EDVRModel with the losses of ``train.losses``."""


@MODEL_REGISTRY.register()
class VideoRecurrentModelWithLosses(WithLosses, VideoRecurrentModel):
    """BasicSR's VideoRecurrentModel with the losses of ``train.losses``."""


@MODEL_REGISTRY.register()
class VideoRecurrentGANModelWithLosses(WithLosses, VideoRecurrentGANModel):
    """BasicSR's VideoRecurrentGANModel with the losses of ``train.losses``."""
