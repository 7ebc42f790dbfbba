"""BasicSR's HiFaceGANModel on the frames of videos."""

from typing import Any

from basicsr.models.hifacegan_model import HiFaceGANModel
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import MODEL_REGISTRY

__all__ = ['HiFaceGANVideoModel']


@MODEL_REGISTRY.register()
class HiFaceGANVideoModel(HiFaceGANModel):
    """HiFaceGANModel on VFHQDataset: the T frames of a window are T images of a batch.

    It is validated as SRModel is, on the frames of VFHQVideoTestDataset: of HiFaceGANModel's own validation BasicSR
    says that it does not run. Networks with InstanceNorm, such as the one of ``options/comparison/hifacegan.yml``, do
    not need the training mode in which it validates others.
    """

    validation = SRModel.validation
    nondist_validation = SRModel.nondist_validation

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take windows (B, T, 3, H, W), or in validation frames of which ``gt`` is (B, 3, H, W)."""
        gt = data['gt']
        images = {'lq': data['lq'].flatten(0, 1), 'gt': gt.flatten(0, 1) if gt.dim() == 5 else gt}
        super().feed_data({**data, **images})
