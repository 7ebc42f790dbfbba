"""Datasets of whole clips, checked before any clip is restored."""

from collections.abc import Mapping
from typing import Any

from basicsr.utils import get_root_logger

from ..errors import UserError
from ..evaluation.results import MetricInfo
from ..evaluation.val_metrics import is_measured, require_clips

__all__ = ['check_clips']


def check_clips(dataset: Any, metrics: Mapping[str, MetricInfo], model: str) -> None:
    """Refuse a validation or test set whose clips the metrics cannot measure; warn of metrics that need ground truth.

    A dataset of another project, which does not know the lengths of its clips, is not looked at.

    Args:
        dataset (Dataset): The dataset.
        metrics (dict): {name: MetricInfo}.
        model (str): What takes the clips, for messages.

    Raises:
        UserError: It says which clip and why.
    """
    if not hasattr(dataset, 'clip_lengths'):
        return
    name = dataset.opt['name']
    if len(dataset) != len(dataset.clip_lengths()):
        raise UserError(
            f'dataset {name}: {type(dataset).__name__} has single frames; {model} takes whole clips, '
            'such as those of VFHQDataset'
        )
    options = {metric: info.options for metric, info in metrics.items()}
    require_clips(options, f'dataset {name}', dataset.clip_lengths(), dataset.has_gt, dataset.gt_size)
    skipped = [metric for metric, of_metric in options.items() if not is_measured(of_metric, dataset.has_gt)]
    if skipped:
        get_root_logger().warning(f'{name} has no ground truth: {", ".join(skipped)} cannot be measured on it.')
