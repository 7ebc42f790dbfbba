"""Types of arguments with their bounds: option files are checked against them, Python itself takes no notice.

They are named, so that `help` shows ``image_size: Count`` where it would show all of the bounds.
"""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen
from typing_extensions import TypeAliasType

__all__ = ['Count', 'Counts', 'NonNegative', 'Positive', 'Share']

# A positive integer, and a list of one or more of them.
Count = TypeAliasType('Count', Annotated[int, Ge(1)])
Counts = TypeAliasType('Counts', Annotated[Sequence[Count], MinLen(1)])
NonNegative = TypeAliasType('NonNegative', Annotated[float, Ge(0)])
Positive = TypeAliasType('Positive', Annotated[float, Gt(0)])
# From 0 to 1.
Share = TypeAliasType('Share', Annotated[float, Ge(0), Le(1)])
