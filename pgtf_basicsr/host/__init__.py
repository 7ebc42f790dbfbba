"""What this package changes of BasicSR from outside."""

from . import mends

__all__ = ['mends']
