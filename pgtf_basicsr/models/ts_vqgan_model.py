"""Stage I: the TS-VQGAN learns to reconstruct clean clips."""

from collections import OrderedDict

from basicsr.utils.registry import MODEL_REGISTRY

from ..errors import UserError
from .video_face_model import VideoFaceModel

__all__ = ['TSVQGANModel']


@MODEL_REGISTRY.register()
class TSVQGANModel(VideoFaceModel):
    """Trains TS-VQGAN and discriminator with L1, perceptual, adversarial and commitment loss.

    Options beyond :class:`VideoFaceModel`:
        train.commitment_weight (float): Weight of the commitment loss. Default: 1.
        val.reconstruct (str): What validation reconstructs, gt (default) or lq; the latter shows
            what the autoencoder alone makes of degraded frames.
    """

    option_types = 'pgtf_basicsr.models.ts_vqgan_options:TSVQGANOptions'

    def generator_losses(self):
        losses = OrderedDict()
        output, commitment_loss, _ = self.net_g(self.gt)
        reconstruction = self.reconstruction_losses(output, losses)
        losses['l_commit'] = self.opt['train'].get('commitment_weight', 1.0) * commitment_loss
        return output, losses, reconstruction

    def check_data_set(self, dataset):
        super().check_data_set(dataset)
        if self.reconstructed() == 'gt' and not getattr(dataset, 'has_gt', True):
            raise UserError(
                f'dataset {dataset.opt["name"]} has no ground truth to reconstruct: set val.reconstruct to lq'
            )

    def reconstructed(self):
        """Whether validation reconstructs 'gt' or 'lq'."""
        return self.opt['val'].get('reconstruct', 'gt')

    def input_frame(self, lq, gt):
        return lq if self.reconstructed() == 'lq' else gt
