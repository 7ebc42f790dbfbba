"""What the processor of this computer has."""

import torch

__all__ = ['has_matrix_units']

# Intel's AMX, as torch 2.6 and later tell.
AMX: bool = getattr(torch.cpu, '_is_amx_tile_supported', bool)()


def has_matrix_units(dtype: torch.dtype) -> bool:
    """Tell whether the processor has matrix units for a type: bf16 alone, by Intel's AMX.

    With them oneDNN's convolutions and attention are several times as fast as with vectors, while all that moves or
    transforms values is as fast as before.
    """
    return AMX and dtype == torch.bfloat16
