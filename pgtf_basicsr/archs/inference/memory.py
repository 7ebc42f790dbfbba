"""Memory that was freed, and is not the system's yet."""

import ctypes
import sys

__all__ = ['release_free_memory']

# glibc's; other C libraries do not have it.
_malloc_trim = getattr(ctypes.CDLL(None), 'malloc_trim', None) if sys.platform == 'linux' else None


def release_free_memory(device):
    """On a CPU, give the system what the C library keeps of freed memory; where maps change their size, that is much.

    Strips come and go in many sizes, and leave glibc with 0.2 GB of holes between what stays. It takes 10 ms.
    """
    if device.type == 'cpu' and _malloc_trim:
        _malloc_trim(0)
