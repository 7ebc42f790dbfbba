"""Metrics, registered in BasicSR's METRIC_REGISTRY under their function names."""
from .code_accuracy import calculate_code_accuracy
from .msrl import calculate_msrl, msrl

__all__ = ['calculate_code_accuracy', 'calculate_msrl', 'msrl']
