"""Stage I: the TS-VQGAN learns to reconstruct clean clips."""

from collections import OrderedDict
from typing import Any

import torch
from basicsr.utils.registry import MODEL_REGISTRY

from ..errors import UserError
from .ts_vqgan_options import TSVQGANOptions
from .video_face_model import VideoFaceModel

__all__ = ['TSVQGANModel']


@MODEL_REGISTRY.register()
class TSVQGANModel(VideoFaceModel):
    """Trains TS-VQGAN and discriminator with L1, perceptual, adversarial and commitment loss.

    Args:
        opt (dict): The options of a run, see :class:`TSVQGANOptions`.
    """

    option_types = TSVQGANOptions
    stage = 1

    def generator_losses(self) -> tuple[torch.Tensor | None, OrderedDict[str, torch.Tensor], Any]:
        losses: OrderedDict[str, torch.Tensor] = OrderedDict()
        output, commitment_loss, _ = self.net_g(self.gt)
        reconstruction = self.reconstruction_losses(output, losses)
        losses['l_commit'] = self.options.train.commitment_weight * commitment_loss
        return output, losses, reconstruction

    def check_data_set(self, dataset: Any) -> None:
        super().check_data_set(dataset)
        if self.options.val and self.options.val.reconstruct == 'gt' and not getattr(dataset, 'has_gt', True):
            raise UserError(
                f'dataset {dataset.opt["name"]} has no ground truth to reconstruct: set val.reconstruct to lq'
            )

    def input_frame(self, lq: torch.Tensor, gt: Any) -> torch.Tensor:
        return lq if self.options.val.reconstruct == 'lq' else gt
