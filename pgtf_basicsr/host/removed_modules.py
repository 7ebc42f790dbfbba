"""Module paths that BasicSR imports and newer libraries dropped; what it takes from them lives elsewhere."""

import importlib
import sys
import types
from dataclasses import dataclass

__all__ = ['REMOVED_MODULES', 'RemovedModule']


@dataclass(frozen=True)
class RemovedModule:
    """A module that BasicSR imports, given back only where it is missing.

    Attributes:
        name (str): The module.
        fault (str): What fails without it, in a line.
        present (str): The module that has its functions today.
        functions (tuple[str]): Those that BasicSR takes from it.
    """

    name: str
    fault: str
    present: str
    functions: tuple[str, ...]

    def apply(self) -> None:
        """Make ``import name`` work."""
        try:
            importlib.import_module(self.name)
        except ModuleNotFoundError:
            source = importlib.import_module(self.present)
            module = types.ModuleType(self.name)
            for function in self.functions:
                setattr(module, function, getattr(source, function))
            sys.modules[self.name] = module


REMOVED_MODULES = (
    RemovedModule(
        'torchvision.transforms.functional_tensor',
        'BasicSR does not import: torchvision 0.17 dropped the module',
        'torchvision.transforms.functional',
        ('rgb_to_grayscale',),
    ),
    RemovedModule(
        'scipy.ndimage.filters', 'BasicSR does not import: SciPy 2 drops the module', 'scipy.ndimage', ('convolve',)
    ),
)
