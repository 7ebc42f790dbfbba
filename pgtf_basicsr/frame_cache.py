"""Remember results of the last few frames, for several metrics that look at the same frames."""

import functools
import operator
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar, cast

__all__ = ['of_recent_frames']

Function = TypeVar('Function', bound=Callable[..., Any])


def of_recent_frames(size: int) -> Callable[[Function], Function]:
    """Decorate a function to remember the results of its last ``size`` different calls.

    A call is the same as an earlier one if its arguments are the very same objects, whatever
    they hold; they are kept alive as long as their result.  Hence neither a frame nor its result must be changed in
    place afterwards; a new frame has to be a new array.

    Args:
        size: Number of calls, 1 or more.
    """

    def decorate(function: Function) -> Function:
        calls: deque[tuple[tuple[Any, ...], Any]] = deque(maxlen=size)

        @functools.wraps(function)
        def remembering(*arguments: Any) -> Any:
            for earlier, result in calls:
                if len(earlier) == len(arguments) and all(map(operator.is_, earlier, arguments)):
                    return result
            result = function(*arguments)
            calls.append((arguments, result))
            return result

        return cast(Function, remembering)

    return decorate
