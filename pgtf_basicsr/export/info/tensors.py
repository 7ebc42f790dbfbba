"""Tensors as files list them: names, shapes and types, without values."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch

__all__ = ['Listed', 'megabytes', 'nested_tensors', 'summary']


class Listed(NamedTuple):
    """A tensor of a file.

    Attributes:
        shape (tuple[int]): Its shape.
        dtype (str): Its type, in torch's words.
        itemsize (int): Bytes of a value.
    """

    shape: tuple[int, ...]
    dtype: str
    itemsize: int

    @classmethod
    def of(cls, shape: Iterable[int], dtype: torch.dtype) -> 'Listed':
        """List a tensor by its shape and torch's type."""
        return cls(tuple(shape), str(dtype).removeprefix('torch.'), dtype.itemsize)

    @property
    def values(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


def nested_tensors(value: Any, name: str = '') -> Iterator[tuple[str, torch.Tensor]]:
    """Find the tensors in dicts and lists, with the way to each as its name."""
    if isinstance(value, torch.Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from nested_tensors(item, f'{name}.{key}' if name else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from nested_tensors(item, f'{name}.{index}')


def summary(tensors: Mapping[str, Listed]) -> str:
    """Sum tensors up, such as '12 tensors, 34,567 values, 0.1 MB, float32, int64'."""
    dtypes = Counter(tensor.dtype for tensor in tensors.values())
    values = sum(tensor.values for tensor in tensors.values())
    size = sum(tensor.values * tensor.itemsize for tensor in tensors.values())
    kinds = ', '.join(dtype for dtype, _ in dtypes.most_common())
    return f'{len(tensors)} tensors, {values:,} values, {megabytes(size)}' + (f', {kinds}' if kinds else '')


def megabytes(size: int) -> str:
    """Bytes in MB, with one digit below 100."""
    return f'{size / 1e6:,.{1 if size < 1e8 else 0}f} MB'
