"""Remembering what was found in the last few frames: several metrics look at the same ones."""

import functools
import operator
from collections import deque

__all__ = ['of_recent_frames']


def of_recent_frames(size):
    """Decorator: remember a function's results for its last ``size`` different calls.

    A call is the same as an earlier one if its arguments are the very same objects, whatever they hold; they are kept
    alive as long as their result.  Hence neither a frame nor what was found in it must be changed in place afterwards;
    a new frame has to be a new array.

    Args:
        size (int): 1 or more.
    """

    def decorate(function):
        calls = deque(maxlen=size)

        @functools.wraps(function)
        def remembering(*arguments):
            for earlier, result in calls:
                if len(earlier) == len(arguments) and all(map(operator.is_, earlier, arguments)):
                    return result
            result = function(*arguments)
            calls.append((arguments, result))
            return result

        return remembering

    return decorate
