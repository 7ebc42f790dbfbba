"""PGTFormer for BasicSR: importing this package registers all it has in BasicSR's registries."""
from . import compat  # first: BasicSR itself does not import on current torchvision without it
from . import archs, data, losses, metrics, models
from .version import __version__

__all__ = ['__version__', 'archs', 'compat', 'data', 'losses', 'metrics', 'models']
