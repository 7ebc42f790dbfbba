"""Training and validation that the stages share: losses of frames, the discriminator, restoring whole clips."""

import os
import time
from collections import OrderedDict
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import repeat, tee
from typing import Any

import numpy as np
import torch
from basicsr.utils import get_root_logger, imwrite
from torch import nn

from ..archs.inference import for_inference
from ..data.benchmarks import protocol_of_dataset
from ..data.clip_stream import ClipStream, open_stream
from ..errors import UserError
from ..evaluation.clip_images import ClipImages
from ..evaluation.report import log_results, write_images, write_report
from ..evaluation.tables import markdown_table
from ..evaluation.val_metrics import ClipScorer, describe_metrics
from ..images import to_image
from ..ranks import on_rank_0
from ..restoration.streaming import restore_frames
from .building import build_network
from .clip_scores import ClipScores
from .clip_sets import check_clips
from .trainable_model import TrainableModel
from .trainable_options import TrainableOptions
from .video_face_options import VideoFaceOptions

__all__ = ['VideoFaceModel']


class VideoFaceModel(TrainableModel):
    """Base of the models of videos; a stage says what its networks learn from what.

    A subclass implements :meth:`generator_losses`, and says in :meth:`restoration_options` how clips are restored.
    """

    option_types: type[TrainableOptions] = VideoFaceOptions
    output: Any

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.results: list[Any] = []
        if not self.is_train:
            for_inference(self.net_g)

    # ----------------------------------------------------------------- set-up

    def init_metrics(self) -> None:
        metrics = (self.options.val.metrics if self.options.val else None) or {}
        self.metrics = on_rank_0(lambda: describe_metrics(metrics))
        for name, info in self.metrics.items():
            get_root_logger().info(f'Metric [{name}] - {info.label or info.title}.')

    def init_training_settings(self) -> None:
        if self.options.train.activation_checkpointing:
            self.net_g.set_activation_checkpointing(True)
        super().init_training_settings()
        if self.options.train.fused_kernels:
            self.fuse_kernels()

    def fuse_kernels(self) -> None:
        """Arrange network_g for training on a GPU; its average, which is a copy, keeps torch's layers."""
        missing = 'a GPU' if self.device.type != 'cuda' else 'Triton' if find_spec('triton') is None else None
        if missing:
            raise UserError(f'train.fused_kernels needs {missing}, which is not there: set it to false')
        from ..archs.training import for_training

        for_training(self.get_bare_model(self.net_g))

    def init_losses(self) -> None:
        """Build the losses that the options name; those of single stages are in the subclasses."""
        self.cri_pix = self.build_loss('pixel_opt')
        self.cri_perceptual = self.build_loss('perceptual_opt')
        self.cri_gan = self.build_loss('gan_opt')

    def init_discriminator(self) -> Any:
        if not self.cri_gan:
            return None
        net_d = build_network('network_d', self.opt['network_d'])
        self.load_pretrained(net_d, 'network_d')
        if self.opt['dist'] and self.device.type == 'cuda':
            net_d = nn.SyncBatchNorm.convert_sync_batchnorm(net_d)
        net_d = self.model_to_device(net_d).train()
        self.print_network(net_d)
        return net_d

    # --------------------------------------------------------------- training

    def feed_data(self, data: dict[str, Any]) -> None:
        """Take a batch from the loader: 'gt' and 'lq', (B, T, C, H, W) in [0, 1]."""
        self.gt = data['gt'].to(self.device, non_blocking=True)
        self.lq = data['lq'].to(self.device, non_blocking=True)
        self.samples, self.drawn = data.get('key', []), data.get('drawn', [])

    def compute_gradients(self, current_iter: int, step: bool) -> OrderedDict[str, torch.Tensor]:
        adversarial = self.net_d is not None and current_iter >= self.options.train.net_d_start_iter
        if self.net_d is not None:
            self.net_d.requires_grad_(False)
        with self.gradients_for(self.net_g, step):
            with self.autocast():
                self.output, losses, reconstruction = self.generator_losses()
                if adversarial:
                    losses['l_g_gan'], losses['d_weight'] = self.generator_adversarial_loss(reconstruction)
            total: Any = sum(value for name, value in losses.items() if name.startswith('l_'))
            self.backward(total)
        if adversarial:
            self.net_d.requires_grad_(True)
            losses.update(self.train_discriminator(step))
        return losses

    def generator_losses(self) -> tuple[torch.Tensor | None, OrderedDict[str, torch.Tensor], Any]:
        """Run network_g on the batch.

        Returns:
            tuple: The output (B, T, 3, H, W) or None, an OrderedDict of losses (``l_*``) and of
            other figures for the log, and the reconstruction loss that the adversarial loss is
            weighted against.
        """
        raise NotImplementedError

    def reconstruction_losses(self, output: torch.Tensor, losses: OrderedDict[str, torch.Tensor]) -> Any:
        """Add pixel and perceptual loss to ``losses`` and return their sum."""
        if self.cri_pix:
            losses['l_g_pix'] = self.cri_pix(output, self.gt)
        if self.cri_perceptual:
            losses['l_g_percep'] = self.cri_perceptual(output, self.gt)
        return losses.get('l_g_pix', 0) + losses.get('l_g_percep', 0)

    def generator_adversarial_loss(self, reconstruction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the adversarial loss of the generator with adaptive weight, and that weight."""
        adversarial = self.cri_gan(self.net_d(self.output), True)
        # As a tensor: the number would have to be waited for.
        scale = self.scaler.scale(adversarial.new_ones((), dtype=torch.float32))
        weight = self.cri_gan.adaptive_weight(
            reconstruction, adversarial, self.get_bare_model(self.net_g).last_layer(), scale
        )
        return weight * adversarial, weight

    def train_discriminator(self, step: bool) -> OrderedDict[str, torch.Tensor]:
        """Train the discriminator on real and restored frames; returns its losses for the log."""
        losses: OrderedDict[str, torch.Tensor] = OrderedDict()
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

    def restoration_options(self) -> dict[str, Any]:
        """Return options of the network in validation, as of `restoration.streaming.restore_frames`."""
        return {}

    def input_frame(self, lq: torch.Tensor, gt: Any) -> torch.Tensor:
        """Choose the frame that is restored in validation, of a degraded and a real one; (3, H, W)."""
        return lq

    def check_data_set(self, dataset: Any) -> None:
        check_clips(dataset, self.metrics, type(self).__name__)

    def new_scores(self, dataset: Any) -> ClipScores:
        protocol = protocol_of_dataset(dataset)
        return ClipScores(self.options.name, dataset.opt['name'], self.metrics, protocol)

    def score(
        self, net: nn.Module, dataset: Any, index: int, scores: ClipScores, save_img: bool
    ) -> tuple[str, np.ndarray | None]:
        """Restore a clip of any length, a few frames in memory at a time, and score every frame."""
        clip, data_set = open_stream(dataset, index), dataset.opt['name']
        scorer = ClipScorer({name: info.options for name, info in self.metrics.items()}, clip.has_gt)
        images = ClipImages(clip.num_frames)
        start = time.time()
        for number, (restored, degraded, gt, codes) in enumerate(self.restored_frames(net, clip)):
            scorer.update(restored, gt, degraded, codes)
            images.update(restored, gt, degraded)
            if save_img and not self.is_train:
                self.save_frame(restored, data_set, clip.name, number)
        result = scorer.result(clip.name)
        scores.add(result, scorer.collected())
        if self.is_train:
            return clip.name, images.frames()
        result.pictures = write_images(images, self.opt['path']['results_root'], data_set, clip.name)
        result.columns = images.columns
        get_root_logger().info(
            f'{data_set}, clip {index + 1} of {len(dataset)}: {clip.name}, {result.num_frames} '
            f'frames in {time.time() - start:.1f} s'
        )
        return clip.name, None

    def restored_frames(self, net: Any, clip: ClipStream) -> Iterator[tuple[Any, ...]]:
        """Restore a clip window by window.

        Args:
            net (nn.Module): The network.
            clip (ClipStream): The clip.

        Yields:
            tuple: A restored, degraded and real frame, (H, W, 3) uint8 RGB, the last one None where there is no
            ground truth; and what metrics of codes compare, see :meth:`codes`.
        """
        inputs, shown = tee(clip)
        restored = restore_frames(
            net,
            (self.input_frame(*pair) for pair in inputs),
            self.options.val.stride,
            **self.streaming_options(),
            **self.restoration_options(),
        )
        for frame, (lq, gt), codes in zip(restored, shown, self.codes(net, clip)):
            yield to_image(frame.float()), to_image(lq), None if gt is None else to_image(gt), codes

    def streaming_options(self) -> dict[str, Any]:
        """Return how windows run in validation, see `restoration.streaming`."""
        return {'batch_size': self.options.val.batch_size, 'device': self.device, 'autocast': self.autocast}

    def codes(self, net: nn.Module, clip: ClipStream) -> Iterator[tuple[torch.Tensor, torch.Tensor] | None]:
        """Yield for each frame the logits (h, w, N) and the codes (h, w) that they should predict, or None."""
        return repeat(None)

    def save_frame(self, frame: np.ndarray, data_set: str, clip: str, number: int) -> None:
        """Save a restored frame of a test, named as BasicSR names those of videos."""
        suffix = self.options.val.suffix or self.options.name
        imwrite(
            frame[..., ::-1],
            os.path.join(self.opt['path']['visualization'], data_set, clip, f'{number:08d}_{suffix}.png'),
        )

    def save_results(self, scores: ClipScores) -> None:
        self.results.append(scores.result)
        folder = self.opt['path']['results_root']
        write_report(self.results, folder)
        get_root_logger().info(
            f'Results of {scores.result.dataset}, more of them in {folder}/metrics.html:\n'
            + markdown_table([scores.result])
        )
        if self.tb_logger:
            log_results(self.tb_logger, scores.result, folder)
