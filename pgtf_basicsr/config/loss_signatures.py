"""What losses compare and return, read from the signatures of their ``forward``."""

import inspect
import typing
from typing import Any

from basicsr.losses.basic_loss import PerceptualLoss
from torch import Tensor

__all__ = ['compares_frames', 'returns_pair']

# Second parameters of losses that take something else than real frames: codes, labels, features, or a judgement.
OTHER_TARGETS = ('codes', 'labels', 'real_features', 'target_is_real', 'weight')


def compares_frames(loss: Any) -> bool:
    """Whether a class of losses takes restored and real frames, as those of pixels do.

    Foreign losses count as such, unless their second parameter has a name that says otherwise.
    """
    parameters = [
        parameter
        for parameter in list(inspect.signature(loss.forward).parameters.values())[1:]
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    takes_any = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return takes_any or (len(parameters) > 1 and parameters[1].name not in OTHER_TARGETS)


def returns_pair(loss: Any) -> bool | None:
    """Whether a class of losses returns a pair, perceptual and style loss; None where it does not say."""
    if issubclass(loss, PerceptualLoss):
        return True
    returned = typing.get_type_hints(loss.forward).get('return')
    if returned is Tensor or loss.__module__.partition('.')[0] == 'basicsr':
        return False
    return True if typing.get_origin(returned) is tuple else None
