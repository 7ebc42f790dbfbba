"""PGTFormer for BasicSR: importing this package registers all it has in BasicSR's registries."""

# isort: off
from . import host  # first: BasicSR itself does not import on current torchvision without it

# isort: on
from . import archs, data, losses, metrics, models
from .version import __version__

__all__ = ['__version__', 'archs', 'data', 'host', 'losses', 'metrics', 'models']
