"""What the processor of this computer has."""

import torch

__all__ = ['BF16_MATRIX_UNITS']

# Units that multiply matrices in bf16, Intel's AMX, as torch 2.6 and later tell. With them oneDNN's convolutions and
# attention are several times as fast as with vectors, while all that moves or transforms values is as fast as before.
BF16_MATRIX_UNITS: bool = getattr(torch.cpu, '_is_amx_tile_supported', bool)()
