"""Stages II to IV: PGTFormer learns to predict codes, then to restore."""

from collections import OrderedDict
from itertools import tee

import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY

from ..checkpoints import checksum
from ..config.specification import specification_of
from ..errors import UserError
from .video_face_model import VideoFaceModel

__all__ = ['PGTFormerModel']

# What each stage keeps as it is. The codebook has no parameters, but its statistics must rest too.
AUTOENCODER = ('codebook', 'from_latents', 'decoder')
FROZEN = {
    2: (*AUTOENCODER, 'parsing_net', 'regulators'),
    3: (*AUTOENCODER, 'parsing_net'),
    4: (*AUTOENCODER, 'parsing_net'),
}


@MODEL_REGISTRY.register()
class PGTFormerModel(VideoFaceModel):
    """Trains PGTFormer with the codes of a frozen high-quality autoencoder as teacher.

    Options beyond :class:`VideoFaceModel`:
        train.stage (int): 2, 3 or 4. It sets what is frozen, and in stage II the decoder is not run.
        train.code_opt, train.feature_opt: Losses of codes and of latents.
        train.msrl_opt: Multi-scale residual loss.
        network_vqgan, path.pretrain_network_vqgan: The stage I autoencoder, the teacher. Without
            pretrain_network_g it is also what PGTFormer starts from.
        path.pretrain_network_parsing: Weights of E_p as facexlib stores them. Stage II trains E_p
            along where it gets none.
        val.fidelity (float): The paper's w in validation. Default: 1.

    Metrics of codes compare what is predicted with the teacher's codes of the ground truth; a test then needs
    network_vqgan and its weights too.
    """

    option_types = 'pgtf_basicsr.models.pgtformer_options:PGTFormerOptions'

    def __init__(self, opt):
        super().__init__(opt)
        self.fidelity = (opt.get('val') or {}).get('fidelity', 1.0)
        self.measures_codes = any(specification_of(info.options).compares == 'codes' for info in self.metrics.values())
        if self.measures_codes and not self.is_train:
            self.teacher = self.load_teacher()

    def init_training_settings(self):
        self.stage = self.opt['train'].get('stage')
        if self.stage not in FROZEN:
            raise UserError(f'train.stage is {self.stage}: PGTFormerModel trains stage 2, 3 or 4')
        self.teacher = self.load_teacher()
        has_parsing_weights = self.load_parsing_weights()
        self.default_frozen = FROZEN[self.stage]
        if self.stage == 2 and not has_parsing_weights:
            get_root_logger().info('No path.pretrain_network_parsing: the face parsing network is trained along.')
            self.default_frozen = tuple(name for name in self.default_frozen if name != 'parsing_net')
        super().init_training_settings()

    def init_losses(self):
        super().init_losses()
        self.cri_code = self.build_loss('code_opt')
        self.cri_feature = self.build_loss('feature_opt')
        self.cri_msrl = self.build_loss('msrl_opt')
        of_pixels = [self.cri_pix, self.cri_perceptual, self.cri_gan, self.cri_msrl]
        if self.stage == 2 and any(of_pixels):
            raise UserError(
                'stage 2 does not run the decoder: take pixel_opt, perceptual_opt, gan_opt and msrl_opt '
                'out of train, or set train.stage to 3'
            )

    def load_teacher(self):
        """Build the frozen stage I autoencoder; PGTFormer starts from it where it has no weights of its own."""
        teacher = self.build('network_vqgan')
        if not self.load_pretrained(teacher, 'network_vqgan'):
            raise UserError('path.pretrain_network_vqgan is empty: name the weights that stage I made')
        self.teacher_checksums = {'network_vqgan': checksum(self.opt['path']['pretrain_network_vqgan'])}
        if self.opt['path'].get('pretrain_network_g') is None:
            self.net_g.load_autoencoder(teacher.state_dict())
        return teacher.to(self.device).eval().requires_grad_(False)

    def load_parsing_weights(self):
        """Load E_p from ``path.pretrain_network_parsing``; returns whether the options name it."""
        if self.opt['path'].get('resume_state'):
            # E_p came with network_g, and may have learned since.
            return self.opt['path'].get('pretrain_network_parsing') is not None
        return self.load_pretrained(self.net_g.parsing_net, 'network_parsing')

    def generator_losses(self):
        losses = OrderedDict()
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

    def restoration_options(self):
        return {'fidelity': self.fidelity}

    def codes(self, net, clip):
        if not (self.measures_codes and clip.has_gt):
            return super().codes(net, clip)
        # A pass of its own through encoder and predictor, which saves restoration from carrying what few ask for.
        degraded, real = tee(clip)
        logits = self.middle_frames(lambda window: net(window, code_only=True)[0], (lq for lq, _ in degraded))
        return zip(logits, self.middle_frames(self.teacher.encode_codes, (gt for _, gt in real)))
