"""Metrics, registered in BasicSR's METRIC_REGISTRY under their function names."""
from .code_accuracy import calculate_code_accuracy
from .mean_iou import calculate_mean_iou
from .msrl import calculate_msrl, msrl

__all__ = ['calculate_code_accuracy', 'calculate_mean_iou', 'calculate_msrl', 'msrl']
