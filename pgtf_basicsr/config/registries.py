"""Look up what is registered in BasicSR."""

from typing import Any

from basicsr.utils.registry import Registry

__all__ = ['look_up']


def look_up(registry: Registry, name: str) -> Any:
    """What is registered under ``name``, or under it with BasicSR's suffix; None where nothing is."""
    for known in (name, f'{name}_basicsr'):
        if known in registry:
            # Not the registry's own get, which prints.
            return dict(iter(registry))[known]
    return None
