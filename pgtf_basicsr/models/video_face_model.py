"""What the stages share: losses of frames, the discriminator, restoring whole clips in validation."""
from collections import OrderedDict

import numpy as np
from basicsr.utils import get_root_logger
from torch import nn

from ..errors import UserError
from ..restoration.windows import restore_frames
from ..training.ranks import on_rank_0
from .trainable_model import TrainableModel
from .validation import ClipScores, comparison_strip, prepare_metrics, to_image

__all__ = ['VideoFaceModel']


class VideoFaceModel(TrainableModel):
    """Base of the models of videos; a stage says what its networks learn from what.

    Options beyond :class:`TrainableModel`, all under ``train``:
        activation_checkpointing (bool): Compute activations twice to save memory. Default: False.
        net_d_start_iter (int): First iteration with adversarial loss. Default: 1.

    Under ``val``: ``batch_size``, windows restored in one pass (default 1), and BasicSR's
    ``metrics``, of which those marked ``per_clip`` get whole clips (T, H, W, C).

    A subclass implements :meth:`generator_losses` and :meth:`restore_window`.
    """

    def __init__(self, opt):
        metrics = (opt.get('val') or {}).get('metrics') or {}
        for name, backend in on_rank_0(lambda: prepare_metrics(metrics)).items():
            get_root_logger().info(f'Metric [{name}] - {backend.label}.')
        super().__init__(opt)

    # ----------------------------------------------------------------- set-up

    def init_training_settings(self):
        self.check_windows()
        if self.opt['train'].get('activation_checkpointing'):
            self.net_g.set_activation_checkpointing(True)
        super().init_training_settings()

    def check_windows(self):
        """Refuse a training set whose windows are not as long as the network's."""
        options = self.opt['datasets'].get('train')
        if options and options.get('num_frame', self.net_g.num_frames) != self.net_g.num_frames:
            raise UserError(f'datasets.train.num_frame is {options["num_frame"]}, but network_g takes '
                            f'{self.net_g.num_frames} frames: make them equal')

    def init_losses(self):
        """Build the losses that the options name; those of the single stages are in the subclasses."""
        self.cri_pix = self.build_loss('pixel_opt')
        self.cri_perceptual = self.build_loss('perceptual_opt')
        self.cri_gan = self.build_loss('gan_opt')

    def init_discriminator(self):
        if not self.cri_gan:
            return None
        self.net_d_start_iter = self.opt['train'].get('net_d_start_iter', 1)
        net_d = self.build('network_d')
        self.load_pretrained(net_d, 'network_d')
        if self.opt['dist'] and self.device.type == 'cuda':
            net_d = nn.SyncBatchNorm.convert_sync_batchnorm(net_d)
        net_d = self.model_to_device(net_d).train()
        self.print_network(net_d)
        return net_d

    # --------------------------------------------------------------- training

    def feed_data(self, data):
        """Take a batch from the loader: 'gt' and, where the data set has it, 'lq'; (B, T, C, H, W)."""
        self.gt = data['gt'].to(self.device, non_blocking=True)
        self.lq = data['lq'].to(self.device, non_blocking=True)
        self.samples, self.drawn = data.get('key', []), data.get('drawn', [])

    def compute_gradients(self, current_iter, step):
        adversarial = self.net_d is not None and current_iter >= self.net_d_start_iter
        if self.net_d is not None:
            self.net_d.requires_grad_(False)
        with self.gradients_for(self.net_g, step):
            with self.autocast():
                self.output, losses, reconstruction = self.generator_losses()
                if adversarial:
                    losses['l_g_gan'], losses['d_weight'] = self.generator_adversarial_loss(reconstruction)
            total = sum(value for name, value in losses.items() if name.startswith('l_'))
            self.backward(total)
        if adversarial:
            self.net_d.requires_grad_(True)
            losses.update(self.train_discriminator(step))
        return losses

    def generator_losses(self):
        """Run network_g on the batch.

        Returns:
            tuple: The output (B, T, 3, H, W) or None, an OrderedDict of losses (``l_*``) and of
            other figures for the log, and the reconstruction loss that the adversarial loss is
            weighed against.
        """
        raise NotImplementedError

    def reconstruction_losses(self, output, losses):
        """Add pixel and perceptual loss to ``losses`` and return their sum."""
        if self.cri_pix:
            losses['l_g_pix'] = self.cri_pix(output, self.gt)
        if self.cri_perceptual:
            losses['l_g_percep'] = self.cri_perceptual(output, self.gt)
        return losses.get('l_g_pix', 0) + losses.get('l_g_percep', 0)

    def generator_adversarial_loss(self, reconstruction):
        """Adversarial loss of the generator, weighed adaptively, and that weight."""
        adversarial = self.cri_gan(self.net_d(self.output), True)
        weight = self.cri_gan.adaptive_weight(
            reconstruction, adversarial, self.get_bare_model(self.net_g).last_layer(), self.scaler.get_scale())
        return weight * adversarial, weight

    def train_discriminator(self, step):
        """Let the discriminator learn from real and restored frames; returns its losses for the log."""
        losses = OrderedDict()
        # Real and restored frames go through one after the other, so that under DDP no statistic
        # of BatchNorm changes between a forward pass and its backward pass.
        for name, frames, is_real in (('real', self.gt, True), ('fake', self.output.detach(), False)):
            with self.gradients_for(self.net_d, step and not is_real):
                with self.autocast():
                    prediction = self.net_d(frames)
                    losses[f'l_d_{name}'] = self.cri_gan(prediction, is_real, is_disc=True) / 2
                self.backward(losses[f'l_d_{name}'])
            losses[f'out_d_{name}'] = prediction.mean()
        return losses

    # ------------------------------------------------------------- validation

    def restore_window(self, net, window):
        """Restore a batch of windows; (B, T, 3, H, W) -> (B, T, 3, H, W)."""
        raise NotImplementedError

    def input_frames(self, clip):
        """Frames of a clip that are restored in validation, (T, 3, H, W)."""
        return clip['lq']

    def new_scores(self):
        return ClipScores(self.opt['val'].get('metrics') or {})

    def score(self, net, item, scores):
        """Restore a whole clip window by window and score every frame."""
        restored = self.restore_clip(net, self.input_frames(item))
        degraded = to_image(item['lq'])
        gt = to_image(item['gt']) if 'gt' in item else None
        if gt is not None:
            scores.add(item['folder'], restored, degraded, gt)
        return item['folder'], comparison_strip(degraded, restored, gt), restored

    def restore_clip(self, net, frames):
        """Restore a clip of any length; (L, 3, H, W) tensor -> (L, H, W, 3) uint8 array, RGB."""

        def restore(window):
            with self.autocast():
                return self.restore_window(net, window).float()

        batch_size = self.opt['val'].get('batch_size', 1)
        restored = restore_frames(restore, frames, net.num_frames, batch_size, self.device)
        return np.stack([to_image(frame) for frame in restored])
