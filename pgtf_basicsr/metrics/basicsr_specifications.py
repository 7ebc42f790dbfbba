"""Specifications of BasicSR's own metrics."""

from typing import Any

from basicsr.metrics import calculate_niqe, calculate_psnr, calculate_ssim

from ..config.metric_specification import MetricSpecification, specified_by
from ..network_files import Backend

__all__: list[str] = []


def _color_of(test_y_channel: bool = False, **options: Any) -> Backend:
    return Backend('Y channel' if test_y_channel else 'RGB', True)


def _niqe_color_of(convert_to: str = 'y', **options: Any) -> Backend:
    return Backend({'y': 'Y channel', 'gray': 'grey'}[convert_to], True)


specified_by(MetricSpecification(title='PSNR', unit='dB', digits=2, label=_color_of))(calculate_psnr)

# SSIM has a window of 11 pixels, and no padding.
specified_by(MetricSpecification(title='SSIM', digits=4, min_side=11, label=_color_of))(calculate_ssim)

# NIQE takes a covariance over blocks of 96 pixels, which needs two of them; a frame of twice that side has four.
specified_by(MetricSpecification(title='NIQE', better='lower', min_side=192, label=_niqe_color_of))(calculate_niqe)
