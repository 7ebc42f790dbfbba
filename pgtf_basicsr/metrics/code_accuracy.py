"""How often the predicted code is the teacher's."""

from typing import Any

import torch
from basicsr.utils.registry import METRIC_REGISTRY

from ..argument_types import Count
from ..config.metric_specification import MetricSpecification, specified_by
from .unknown_options import refuse_unknown_options

__all__ = ['calculate_code_accuracy']


@METRIC_REGISTRY.register()
@specified_by(MetricSpecification(title='Acc', digits=4, of_options=lambda k=1, **options: {'title': f'Acc_T{k}'}))
def calculate_code_accuracy(logits: torch.Tensor, codes: torch.Tensor, k: Count = 1, **kwargs: Any) -> float:
    """Share of codes that are among the k most probable predictions (paper, Table 4: k = 1 and 5).

    Args:
        logits (Tensor): (..., N), such as (B, T, h, w, N).
        codes (Tensor): Teacher's codes (...), int64 in [0, N).
        k (int): From 1 to N.

    Returns:
        float: In [0, 1], higher is better.

    Raises:
        ValueError: Shapes disagree or k is out of range.
    """
    refuse_unknown_options(calculate_code_accuracy, kwargs)
    if logits.shape[:-1] != codes.shape:
        raise ValueError(f'logits (..., N) and codes (...) disagree: {tuple(logits.shape)} and {tuple(codes.shape)}')
    if not 1 <= k <= logits.size(-1):
        raise ValueError(f'k must be from 1 to the number of codes, {logits.size(-1)}, got {k}')
    predicted = logits.topk(k, dim=-1).indices
    return (predicted == codes.unsqueeze(-1)).any(dim=-1).double().mean().item()
