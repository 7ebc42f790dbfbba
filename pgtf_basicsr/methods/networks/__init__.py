"""Networks of comparison methods that no package carries."""

from .vqfr_v1 import VQFRv1
from .vqfr_v2 import VQFRv2

__all__ = ['VQFRv1', 'VQFRv2']
