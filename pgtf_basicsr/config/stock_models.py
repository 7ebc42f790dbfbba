"""What models of BasicSR's kind do with the losses and metrics that an option file names."""

import ast
import functools
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from basicsr.utils.registry import LOSS_REGISTRY

from .loss_signatures import compares_frames, returns_pair
from .metric_specification import MetricSpecification
from .mistakes import Keys
from .registries import look_up

__all__ = ['misplaced_losses', 'missing_accumulation', 'unread_losses']

BASICSR = 'basicsr'


def unread_losses(model: Any, train: dict[str, Any], described: list[str]) -> Iterator[tuple[Keys, str]]:
    """Yield (keys, message) for losses that ``train`` names and that the model never reads.

    A key is read if it stands as text in the source of the model or of a class that it derives from: in their modules,
    and for projects other than BasicSR in all of their modules that are loaded.

    Args:
        model (type): The class of the model.
        train (dict): The section.
        described (list[str]): Keys that the model describes as its own.
    """
    words = _words_of(model)
    if words is None:
        return
    # A key may be put together, as of f'{name}_opt', or be looked for by its end.
    ends = tuple(word for word in words if word.startswith('_'))
    for key, section in train.items():
        if key not in described and key not in words and not (ends and key.endswith(ends)) and _names_losses(section):
            yield (
                ('train', key),
                f': {model.__name__} reads no such loss; put it into a CombinedLoss as pixel_opt, or below train.losses '
                'of a model such as SRModelWithLosses',
            )


def misplaced_losses(model: Any, train: dict[str, Any], takes_any_pair: bool) -> Iterator[tuple[Keys, str]]:
    """Yield (keys, message) for losses that BasicSR's training steps cannot use where they stand.

    Args:
        model (type): The class of the model.
        train (dict): The section.
        takes_any_pair (bool): Whether the model takes pairs and single values alike.
    """
    if not _is_of_basicsr(model, 'optimize_parameters'):
        return
    for key in ('pixel_opt', 'perceptual_opt', 'gan_opt'):
        section = train.get(key) or {}
        loss = look_up(LOSS_REGISTRY, section.get('type', ''))
        if loss is None:
            continue
        name, place = section['type'], ('train', key, 'type')
        if key == 'gan_opt':
            if 'target_is_real' not in inspect.signature(loss.forward).parameters:
                yield place, f' is {name}; it must be an adversarial loss, such as GANLoss'
        elif not compares_frames(loss):
            yield place, f': {name} does not compare restored with real frames, which is all that {model.__name__} has'
        elif takes_any_pair:
            continue
        elif key == 'pixel_opt' and returns_pair(loss):
            yield place, f' is {name}, which returns a pair; it belongs under perceptual_opt, or into a CombinedLoss'
        elif key == 'perceptual_opt' and returns_pair(loss) is False:
            yield (
                place,
                f' is {name}, which returns one value; {model.__name__} takes a pair: write '
                f'{{type: PerceptualPair, loss: {{type: {name}, ...}}}}',
            )


def missing_accumulation(model: Any, specification: MetricSpecification) -> str | None:
    """Say why BasicSR's validation, which measures single frames, cannot measure a metric; None where it can."""
    if specification.min_frames > 1 and _is_of_basicsr(model, 'dist_validation'):
        return f'looks at {specification.min_frames} frames in a row'
    return None


def _is_of_basicsr(model: Any, method: str) -> bool:
    function = getattr(model, method, None)
    return function is not None and function.__module__.partition('.')[0] == BASICSR


def _names_losses(section: Any) -> bool:
    """Whether a value is the section of a loss, or holds some by name."""
    if not isinstance(section, dict):
        return False
    sections = [section, *(item for item in section.values() if isinstance(item, dict))]
    return any(look_up(LOSS_REGISTRY, str(item.get('type', ''))) is not None for item in sections)


@functools.cache
def _words_of(model: Any) -> frozenset[str] | None:
    """Collect the texts in the source of a model's modules; None where some of it is not to be had."""
    words: set[str] = set()
    for module in {module for cls in model.__mro__[:-1] for module in _modules_of(cls)}:
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError, SyntaxError):
            return None
        words |= {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return frozenset(words)


def _modules_of(cls: Any) -> list[ModuleType]:
    own = sys.modules.get(cls.__module__)
    project = cls.__module__.partition('.')[0]
    if own is None or project in (BASICSR, __name__.partition('.')[0]):
        return [own] if own else []
    return [module for name, module in list(sys.modules.items()) if name.partition('.')[0] == project and module]
