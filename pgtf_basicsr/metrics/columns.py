"""What a table has to know of each metric: titles, units, directions, the order of its columns."""

from dataclasses import dataclass, replace
from typing import Literal

from basicsr.utils.registry import METRIC_REGISTRY

from ..losses.lpips_loss import NETWORKS
from .flicker import MIN_SIDE

__all__ = ['Column', 'column_of', 'label_of', 'order_of']


@dataclass(frozen=True)
class Column:
    """A metric's column.

    Attributes:
        title (str | None): What stands above it; None for a metric that this package does not know.
        unit (str): Of the numbers; '' where there is none.
        better (str): Which numbers are the better ones, higher or lower.
        min_side (int): Shorter side of a frame, in pixels, from which on the metric can be computed.
    """

    title: str | None = None
    unit: str = ''
    better: Literal['higher', 'lower'] = 'higher'
    min_side: int = 1


# In the order of the paper's tables, ours after them.
COLUMNS = {
    'calculate_psnr': Column('PSNR', 'dB'),
    # Its window has 11 pixels, and there is no padding.
    'calculate_ssim': Column('SSIM', min_side=11),
    'calculate_lpips': Column('LPIPS', better='lower', min_side=NETWORKS['vgg'][1]),
    'calculate_deg': Column('Deg', '°', 'lower'),
    'calculate_lmd': Column('LMD', 'px', 'lower'),
    'calculate_tlme': Column('TLME', 'px', 'lower'),
    'calculate_msrl': Column('MSRL', 'dB'),
    'calculate_fvd': Column('FVD', better='lower'),
    # A covariance over blocks of 96 pixels takes two of them; a frame of twice that side has four.
    'calculate_niqe': Column('NIQE', better='lower', min_side=192),
    'calculate_flicker': Column('Flicker', better='lower', min_side=MIN_SIDE),
    'calculate_landmark_jitter': Column('Jitter', 'px', 'lower'),
    'calculate_identity_consistency': Column('ID consistency', '°', 'lower'),
    'calculate_code_accuracy': Column('Acc'),
}


def column_of(options):
    """Column of a metric.

    Args:
        options (dict): A section of ``val.metrics``: type and arguments.  Its ``better`` wins over what is known of the
            metric, and its ``crop_border`` makes `Column.min_side` larger.

    Returns:
        Column: Without a title, and with higher scores the better ones, for a type that is not known.
    """
    column = COLUMNS.get(options['type'], Column())
    if options['type'] == 'calculate_lpips' and options.get('net') == 'alex':
        column = replace(column, title='LPIPS (AlexNet)', min_side=NETWORKS['alex'][1])
    elif options['type'] == 'calculate_code_accuracy':
        column = replace(column, title=f'Acc_T{options.get("k", 1)}')
    return replace(
        column,
        better=options.get('better', column.better),
        min_side=column.min_side + 2 * options.get('crop_border', 0),
    )


def order_of(options):
    """Place of a metric's column, a number to sort by; metrics that are not known come last.

    Args:
        options (dict): As in `column_of`.
    """
    names = list(COLUMNS)
    return names.index(options['type']) if options['type'] in names else len(names)


def label_of(options):
    """What a metric's numbers were computed with, such as its network, where a table has to say so; else ''.

    Args:
        options (dict): As in `column_of`.

    Raises:
        UserError: The network's file is missing, or a package.
    """
    border = options.get('crop_border')
    parts = [_means_of(options), f'border of {border} px left out' if border else '']
    return ', '.join(part for part in parts if part)


def _means_of(options):
    name = options['type']
    if name in METRIC_REGISTRY and hasattr(METRIC_REGISTRY.get(name), 'prepare'):
        return METRIC_REGISTRY.get(name).prepare(**options).label
    if name in ('calculate_psnr', 'calculate_ssim'):
        return 'Y channel' if options.get('test_y_channel') else 'RGB'
    if name == 'calculate_niqe':
        return {'y': 'Y channel', 'gray': 'grey'}[options.get('convert_to', 'y')]
    return ''
