"""Types of arguments with their bounds: option files are checked against them, Python itself takes no notice."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen

__all__ = ['Count', 'Counts', 'NonNegative', 'Positive', 'Share']

Count = Annotated[int, Ge(1)]
Counts = Annotated[Sequence[Count], MinLen(1)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Share = Annotated[float, Ge(0), Le(1)]
