"""Option files: read safely, changed from the command line, checked completely before anything is made on disk.

    file = config.read('options/stage1.yml')
    file.override(['train:total_iter=100'])
    config.check(file, is_train=True)

A registered dataset or model that takes BasicSR's ``opt`` may bring typed options of its own: see
:mod:`pgtf_basicsr.config.schema`.
"""

from .checking import check, check_metrics
from .reading import OptionFile, load, parse, read

__all__ = ['OptionFile', 'check', 'check_metrics', 'load', 'parse', 'read']
