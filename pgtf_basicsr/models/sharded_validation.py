"""The validation loop of a model: items shared out over ranks, scores logged as BasicSR does."""

import os
from typing import Any

import numpy as np
from basicsr.utils import get_root_logger, imwrite
from torch import nn
from torch.utils.data import Dataset

from pgtf_process import stop_request

from ..ranks import gathered
from ..training.state_files import undisturbed_random
from .resumable_model import ResumableModel

__all__ = ['ValidatedModel']


class ValidatedModel(ResumableModel):
    """Base of models whose validation scores every item of a dataset.

    A subclass implements :meth:`new_scores`, :meth:`score`, :meth:`save_results` and :meth:`set_train_mode`, and has
    the attributes ``options``, ``net_g`` and, with a moving average, ``net_g_ema``.
    """

    # Typed options; without a type here, for each section may be absent in one kind of run.
    options: Any
    net_g: Any

    def dist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """Validate; BasicSR calls it where there are several processes."""
        self.validate(dataloader.dataset, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """Validate; BasicSR calls it where there is one process."""
        self.validate(dataloader.dataset, current_iter, tb_logger, save_img)

    def validate(self, dataset: Any, current_iter: int, tb_logger: Any, save_img: bool) -> None:
        """Score all items of a dataset, shared out over ranks.

        In training a dataset is validated once an iteration, draws nothing from the generators that training draws
        from, and is left when the run is asked to stop: the resumed run makes up for it.
        """
        name = dataset.opt['name']
        if self.is_train:
            self.check_last_step()
            # The loop counts one iteration too many when it ends.
            current_iter = min(current_iter, self.options.train.total_iter)
            if self.stopping or self.validated.get(name) == current_iter:
                return
        scores = self.new_scores(dataset)
        self._score_items(dataset, scores, current_iter, tb_logger, save_img)
        if self.is_train:
            self.set_train_mode()
            self.stopping = any(gathered(stop_request.made()))
            if self.stopping:
                return
            self.validated[name] = current_iter
        self.report(scores.gathered(), name, current_iter, tb_logger)

    def _score_items(self, dataset, scores, current_iter, tb_logger, save_img):
        """Score the items of this rank, and save what they show."""
        name = dataset.opt['name']
        # The bare network: its wrapper would wait for the other ranks.
        net = getattr(self, 'net_g_ema', None) or self.get_bare_model(self.net_g)
        net.eval()
        with undisturbed_random(self.device):
            for index in range(self.opt['rank'], len(dataset), self.opt['world_size']):
                if self.is_train and stop_request.made():
                    break
                label, strip = self.score(net, dataset, index, scores, save_img)
                if save_img and strip is not None:
                    self.save_strip(name, label, current_iter, strip)
                    if tb_logger:
                        tb_logger.add_image(f'{name}/{label}', strip, current_iter, dataformats='HWC')

    def set_train_mode(self) -> None:
        """Set training mode again after validation."""
        raise NotImplementedError

    def check_data_set(self, dataset: Dataset) -> None:
        """Refuse a validation or test set that cannot be scored, before the run starts.

        Raises:
            UserError: It says which clip and why.
        """

    def new_scores(self, dataset: Any) -> Any:
        """Make the scores of a dataset, still without an item.

        See :class:`~pgtf_basicsr.models.clip_scores.ClipScores` for their methods.
        """
        raise NotImplementedError

    def score(
        self, net: nn.Module, dataset: Any, index: int, scores: Any, save_img: bool
    ) -> tuple[str, np.ndarray | None]:
        """Run the network on an item of a validation set and add it to the scores; a test saves the result.

        Returns:
            tuple: The item's name, and an image (H, W, 3) uint8 RGB for the folder of visualizations, or None.
        """
        raise NotImplementedError

    def save_strip(self, dataset_name: str, label: str, current_iter: int, strip: np.ndarray) -> None:
        """Save an item's image."""
        suffix = self.options.val.suffix or current_iter
        imwrite(
            strip[..., ::-1],
            os.path.join(self.opt['path']['visualization'], dataset_name, label, f'strip_{suffix}.png'),
        )

    def report(self, scores: Any, dataset_name: str, current_iter: int, tb_logger: Any) -> None:
        """Log the scores, BasicSR's way; rank 0 alone. A test saves them as well."""
        if self.opt['rank'] != 0 or not len(scores):
            return
        best_results = self.best_metric_results.setdefault(dataset_name, {})
        for metric, better in scores.directions().items():
            # One at a time: a run that goes on may have metrics that its state does not know.
            best_results.setdefault(
                metric, {'better': better, 'val': float('-inf' if better == 'higher' else 'inf'), 'iter': -1}
            )
        message = f'Validation {dataset_name}\n'
        for metric, (value, baseline) in scores.means().items():
            self._update_best_metric_result(dataset_name, metric, value, current_iter)
            best = best_results[metric]
            message += (
                f'\t # {metric}: {value:.4f}\t({scores.baseline}: {baseline:.4f})'
                f'\tBest: {best["val"]:.4f} @ {best["iter"]} iter\n'
            )
            if tb_logger:
                tb_logger.add_scalar(f'metrics/{dataset_name}/{metric}', value, current_iter)
        get_root_logger().info(message)
        if not self.is_train:
            self.save_results(scores)

    def save_results(self, scores: Any) -> None:
        """Save the scores of a test, with metrics_<dataset>.json among the files."""
        raise NotImplementedError
