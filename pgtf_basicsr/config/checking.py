"""The check of a whole option file: every mistake, one line each."""

from collections.abc import Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, TypeVar

from basicsr.utils.registry import MODEL_REGISTRY
from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from ..errors import UserError
from .mistakes import Keys, dotted, keys_of, message_of
from .reading import OptionFile, one_line
from .registered_sections import Metric, description_of, look_up
from .schema import RunOptions
from .sections import Section
from .value_types import FILE_CHECK, MISSING_FILE

__all__ = ['FILE_KINDS', 'check', 'check_metrics', 'parse_section']

# Option files that are not of a run: {key that only they have: their options}. Who describes a kind adds it.
FILE_KINDS: dict[str, type[Section]] = {}
FileOptions = TypeVar('FileOptions', bound=Section)
# One screen.
MOST_LINES = 20


def check(file: OptionFile, is_train: bool) -> None:
    """Refuse options that cannot run, and report all mistakes at once.

    A test of a file for training needs neither its ``train`` section nor the files that only training reads;
    their form is checked all the same.

    Args:
        file (OptionFile): The options of one file.
        is_train (bool): For training, or for a test.

    Raises:
        UserError: With one line for each mistake.
    """
    kind = next((kind for key, kind in FILE_KINDS.items() if key in file.options), None)
    if kind:
        parse_section(file, kind)
    else:
        refuse_mistakes(file, find_mistakes(file.options, is_train))


def parse_section(file: OptionFile, kind: type[FileOptions]) -> FileOptions:
    """Read a whole file as one section.

    Raises:
        UserError: With one line for each mistake.
    """
    try:
        return kind.model_validate(file.options, context=FILE_CHECK)
    except ValidationError as error:
        refuse_mistakes(file, [(keys_of(item), message_of(item)) for item in error.errors(include_url=False)])
        raise


def check_metrics(file: OptionFile) -> dict[str, Any]:
    """Refuse ``val.metrics`` with a mistake, whatever else the file holds.

    Args:
        file (OptionFile): The options of one file.

    Returns:
        dict: The metrics, {name: dict(type=..., **arguments)}.

    Raises:
        UserError: With one line for each mistake.
    """
    parse_section(file, OnlyMetrics)
    return file.options['val']['metrics']


class MetricsOfValidation(Section):
    """``val``, of which the metrics alone matter."""

    is_open = True

    metrics: dict[str, Metric] = Field(min_length=1)


class OnlyMetrics(Section):
    """An option file of which ``val.metrics`` alone matters."""

    is_open = True

    val: MetricsOfValidation


def refuse_mistakes(file: OptionFile, mistakes: Iterable[tuple[Keys, str]]) -> None:
    """Raise a UserError of (keys, message) pairs, if there are any, in the order of the file's lines."""
    mistakes = sorted(mistakes, key=lambda mistake: file.line(mistake[0]))
    lines = [f'{file.place(keys)}: {one_line(dotted(keys) + message)}' for keys, message in mistakes]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f'{file.path}: and {len(lines) - MOST_LINES} more']
    if lines:
        raise UserError(*lines)


def find_mistakes(options: dict[str, Any], is_train: bool) -> list[tuple[Keys, str]]:
    """List the mistakes of options as (keys that lead to it, message that follows them)."""
    model_type = options.get('model_type')
    model = look_up(MODEL_REGISTRY, model_type) if isinstance(model_type, str) else None
    description = description_of(model, RunOptions)
    errors = []
    try:
        description.model_validate(options, context=FILE_CHECK)
    except ValidationError as error:
        errors = [item for item in error.errors(include_url=False) if is_needed(item, is_train)]
    mistakes = {keys_of(item): message_of(item) for item in errors}
    sound: dict[Any, Any] = deepcopy(options)
    for keys in mistakes:
        remove(sound, keys)
    for keys, message in description.contradictions(description.with_defaults(sound), is_train):
        mistakes.setdefault(keys, message)
    for keys, message in chain(description.misused_losses(sound), description.needs(sound, is_train)):
        mistakes.setdefault(keys, message)
    return list(mistakes.items())


def is_needed(error: ErrorDetails, is_train: bool) -> bool:
    """Say whether a mistake matters: in a test, missing files that only training reads do not."""
    if is_train or error['type'] != MISSING_FILE:
        return True
    keys = keys_of(error)
    return keys == ('path', 'pretrain_network_g') or (keys[0] == 'datasets' and keys[1] != 'train')


def remove(options: dict[Any, Any], keys: Keys) -> None:
    """Take out what ``keys`` lead to, if it is there; of a list, the whole list."""
    for depth, key in enumerate(keys[:-1]):
        if not isinstance(options.get(key), dict):
            keys = keys[: depth + 1]
            break
        options = options[key]
    options.pop(keys[-1], None)
