"""Models that BasicSR's training and test loop drives."""

from .face_parsing_model import FaceParsingModel
from .pgtformer_model import PGTFormerModel
from .ts_vqgan_model import TSVQGANModel

__all__ = ['FaceParsingModel', 'PGTFormerModel', 'TSVQGANModel']
