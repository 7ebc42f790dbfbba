"""Options of BasicSR's models with further losses."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from ..config.mistakes import Keys
from ..config.registered_sections import FrameLoss
from ..config.schema import RunOptions, TrainOptions, value

__all__ = ['PIXEL_LOSS', 'OptionsWithLosses']

# What the pixel loss is called among the others.
PIXEL_LOSS = 'pix'
# What BasicSR's models log, without the l_ before it.
LOGGED = (PIXEL_LOSS, 'percep', 'style', 'g_pix', 'g_percep', 'g_style', 'g_gan', 'd_real', 'd_fake')


class TrainingWithLosses(TrainOptions):
    """``train`` of BasicSR's models with further losses."""

    losses: dict[str, FrameLoss] | None = Field(
        None, description='losses of frames besides the others, each a registered type with its arguments, by name'
    )


class OptionsWithLosses(RunOptions):
    """An option file for one of BasicSR's models with further losses."""

    takes_any_pair: ClassVar[bool] = True

    train: TrainingWithLosses | None = Field(None, description='how to train')

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(options, is_train)
        for name in value(options, 'train', 'losses') or {}:
            if name in LOGGED:
                yield ('train', 'losses', name), f': l_{name} is the name of another loss in the log; take another one'
