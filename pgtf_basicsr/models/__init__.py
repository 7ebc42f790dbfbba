"""Models that BasicSR's training and test loop drives."""
from .pgtformer_model import PGTFormerModel
from .ts_vqgan_model import TSVQGANModel

__all__ = ['PGTFormerModel', 'TSVQGANModel']
