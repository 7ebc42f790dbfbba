"""Restorers behind one interface, by name: PGTFormer and those it is compared with.

Importing it registers the methods and imports none of the packages that they need.
"""

from .method import Method, MethodNeeds
from .registry import METHOD_REGISTRY, build_method, missing_weights

__all__ = ['METHOD_REGISTRY', 'Method', 'MethodNeeds', 'build_method', 'missing_weights']
