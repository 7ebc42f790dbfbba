"""Restorers behind one interface, by name: PGTFormer and those it is compared with.

Importing it registers the methods and imports none of the packages that they need.
"""

from .baselines import Bicubic, Input
from .basicvsrpp import BasicVSRPlusPlus
from .hifacegan import HiFaceGAN
from .method import Method, MethodNeeds
from .pgtformer import PGTFormer
from .registry import METHOD_REGISTRY, build_method, missing_weights
from .spandrel_networks import GFPGAN, CodeFormer
from .ts_vqgan import TSVQGAN
from .vqfr import VQFR

__all__ = [
    'GFPGAN',
    'METHOD_REGISTRY',
    'TSVQGAN',
    'VQFR',
    'BasicVSRPlusPlus',
    'Bicubic',
    'CodeFormer',
    'HiFaceGAN',
    'Input',
    'Method',
    'MethodNeeds',
    'PGTFormer',
    'build_method',
    'missing_weights',
]
