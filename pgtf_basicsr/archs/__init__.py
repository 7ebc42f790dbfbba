"""Networks, registered under their names in BasicSR's architecture registry."""

from .discriminator_arch import VQGANDiscriminator
from .face_parsing_arch import FaceParsingNet
from .pgtformer_arch import PGTFormer
from .single_output_arch import SingleOutputNetwork
from .ts_vqgan_arch import TSVQGAN

__all__ = ['TSVQGAN', 'FaceParsingNet', 'PGTFormer', 'SingleOutputNetwork', 'VQGANDiscriminator']
