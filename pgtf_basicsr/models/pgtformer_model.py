"""Stages II to IV: PGTFormer learns to predict codes, then to restore."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY
from torch import nn

from ..checkpoints import checksum
from ..config.metric_specification import specification_of
from ..data.clip_stream import ClipStream
from .building import build_network
from .code_streams import codes_of_frames
from .pgtformer_options import PGTFormerOptions
from .video_face_model import VideoFaceModel

__all__ = ['PGTFormerModel']

# Modules that each stage freezes. The codebook has no parameters, but its statistics are kept too.
AUTOENCODER = ('codebook', 'from_latents', 'decoder')
FROZEN = {
    2: (*AUTOENCODER, 'parsing_net', 'regulators'),
    3: (*AUTOENCODER, 'parsing_net'),
    4: (*AUTOENCODER, 'parsing_net'),
}


@MODEL_REGISTRY.register()
class PGTFormerModel(VideoFaceModel):
    """Trains PGTFormer with the codes of a frozen high-quality autoencoder as teacher.

    Metrics of codes compare what is predicted with the teacher's codes of the ground truth; a test then needs
    network_vqgan and its weights too.

    Args:
        opt (dict): The options of a run, see :class:`PGTFormerOptions`.
    """

    option_types = PGTFormerOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.measures_codes = any(specification_of(info.options).compares == 'codes' for info in self.metrics.values())
        if self.measures_codes and not self.is_train:
            self.teacher = self.load_teacher()

    def init_training_settings(self) -> None:
        self.stage = self.options.train.stage
        self.teacher = self.load_teacher()
        has_parsing_weights = self.load_parsing_weights()
        self.default_frozen = FROZEN[self.stage]
        if self.net_g.parsing_net is None:
            self.default_frozen = tuple(name for name in self.default_frozen if name != 'parsing_net')
        elif self.stage == 2 and not has_parsing_weights:
            get_root_logger().info('No path.pretrain_network_parsing: the face parsing network is trained jointly.')
            self.default_frozen = tuple(name for name in self.default_frozen if name != 'parsing_net')
        super().init_training_settings()

    def init_losses(self) -> None:
        super().init_losses()
        self.cri_code = self.build_loss('code_opt')
        self.cri_feature = self.build_loss('feature_opt')
        self.cri_msrl = self.build_loss('msrl_opt')

    def load_teacher(self) -> Any:
        """Build the frozen stage I autoencoder; PGTFormer starts from it where it has no weights of its own."""
        teacher = build_network('network_vqgan', self.opt['network_vqgan'])
        self.load_pretrained(teacher, 'network_vqgan')
        self.teacher_checksums = {'network_vqgan': checksum(self.options.path.pretrain_network_vqgan)}
        if self.options.path.pretrain_network_g is None:
            self.net_g.load_autoencoder(teacher.state_dict())
        return teacher.to(self.device).eval().requires_grad_(False)

    def load_parsing_weights(self) -> bool:
        """Load E_p from ``path.pretrain_network_parsing``; returns whether the options name it."""
        if self.options.path.resume_state:
            # E_p came with network_g, and may have been trained since.
            return self.options.path.pretrain_network_parsing is not None
        return self.load_pretrained(self.net_g.parsing_net, 'network_parsing')

    def generator_losses(self) -> tuple[torch.Tensor | None, OrderedDict[str, torch.Tensor], Any]:
        losses: OrderedDict[str, torch.Tensor] = OrderedDict()
        with torch.no_grad():
            codes = self.teacher.encode_codes(self.gt)
        if self.stage == 2:
            output = None
            logits, latents = self.net_g(self.lq, code_only=True)
        else:
            output, logits, latents = self.net_g(self.lq, return_codes=True)

        if self.cri_code:
            losses['l_code'] = self.cri_code(logits, codes)
        if self.cri_feature:
            losses['l_feature'] = self.cri_feature(latents, self.teacher.codebook.lookup(codes))
        losses['code_accuracy'] = (logits.detach().argmax(-1) == codes).float().mean()
        if output is None:
            return output, losses, None
        reconstruction = self.reconstruction_losses(output, losses)
        if self.cri_msrl:
            losses['l_msrl'] = self.cri_msrl(output, self.gt)
        return output, losses, reconstruction

    def restoration_options(self) -> dict[str, Any]:
        return {'fidelity': self.options.val.fidelity}

    def codes(self, net: nn.Module, clip: ClipStream) -> Iterator[tuple[torch.Tensor, torch.Tensor] | None]:
        if not (self.measures_codes and clip.has_gt):
            return super().codes(net, clip)
        return codes_of_frames(net, self.teacher, clip, **self.streaming_options())
