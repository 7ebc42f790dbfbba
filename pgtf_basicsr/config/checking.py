"""The check of a whole option file: every mistake, one line each."""

from copy import deepcopy

from basicsr.utils.registry import MODEL_REGISTRY
from pydantic import Field, ValidationError

from ..errors import UserError
from .reading import one_line
from .registered import Metric, description_of, look_up
from .schema import RunOptions
from .sections import Section
from .value_types import MISSING_FILE, shown

__all__ = ['check', 'check_metrics']

# One screen.
MOST_LINES = 20


def check(file, is_train):
    """Refuse options that cannot run, all mistakes at once.

    A test of a file for training needs neither its ``train`` section nor the files that only training reads;
    their form is checked all the same.

    Args:
        file (OptionFile): The options of one file.
        is_train (bool): For training, or for a test.

    Raises:
        UserError: With one line for each mistake.
    """
    refuse_mistakes(file, find_mistakes(file.options, is_train))


def check_metrics(file):
    """Refuse ``val.metrics`` with a mistake, whatever else the file holds.

    Args:
        file (OptionFile): The options of one file.

    Returns:
        dict: The metrics, {name: dict(type=..., **arguments)}.

    Raises:
        UserError: With one line for each mistake.
    """
    try:
        OnlyMetrics.model_validate(file.options)
    except ValidationError as error:
        refuse_mistakes(file, [(keys_of(item), message_of(item)) for item in error.errors(include_url=False)])
    return file.options['val']['metrics']


class MetricsOfValidation(Section):
    """``val``, of which the metrics alone matter."""

    is_open = True

    metrics: dict[str, Metric] = Field(min_length=1)


class OnlyMetrics(Section):
    """An option file of which ``val.metrics`` alone matters."""

    is_open = True

    val: MetricsOfValidation


def refuse_mistakes(file, mistakes):
    """Raise a UserError of (keys, message) pairs, in the order of the file's lines; nothing of none."""
    mistakes = sorted(mistakes, key=lambda mistake: file.line(mistake[0]))
    lines = [f'{file.place(keys)}: {one_line(dotted(keys) + message)}' for keys, message in mistakes]
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f'{file.path}: and {len(lines) - MOST_LINES} more']
    if lines:
        raise UserError('\n'.join(lines))


def find_mistakes(options, is_train):
    """List the mistakes of options as (keys that lead to it, message that goes on after them)."""
    model_type = options.get('model_type')
    model = look_up(MODEL_REGISTRY, model_type) if isinstance(model_type, str) else None
    description = description_of(model, RunOptions)
    errors = []
    try:
        description.model_validate(options)
    except ValidationError as error:
        errors = [item for item in error.errors(include_url=False) if is_needed(item, is_train)]
    mistakes = {keys_of(item): message_of(item) for item in errors}
    sound = deepcopy(options)
    for keys in mistakes:
        remove(sound, keys)
    for keys, message in description.contradictions(sound, is_train):
        mistakes.setdefault(keys, message)
    return list(mistakes.items())


def is_needed(error, is_train):
    """Whether a mistake matters: files that are missing do not, where only training would read them."""
    if is_train or error['type'] != MISSING_FILE:
        return True
    keys = keys_of(error)
    return keys == ('path', 'pretrain_network_g') or (keys[0] == 'datasets' and keys[1] != 'train')


def keys_of(error):
    """Keys that lead to what pydantic complains of."""
    return tuple(key for key in error['loc'] if key != '[key]')


def message_of(error):
    """What is wrong, in words that follow the option's name."""
    kind, value, context = error['type'], error['input'], error.get('ctx', {})
    if 'message' in context:
        return context['message']
    if kind == 'missing':
        return ' is missing'
    if kind == 'invalid_key' or error['loc'][-1:] == ('[key]',):
        return ': names of options are text; write it in quotes, or another one'
    wanted = {
        'bool_type': 'true or false',
        'int_type': 'a whole number',
        'float_type': 'a number',
        'string_type': 'text',
        'list_type': 'a list',
        'dict_type': 'a section with keys of its own',
        'finite_number': 'a finite number',
        'model_type': 'a section with keys of its own',
        'greater_than': 'above {gt}',
        'greater_than_equal': '{ge} or more',
        'less_than': 'below {lt}',
        'less_than_equal': '{le} or less',
        'too_short': 'a list of {min_length} or more',
        'too_long': 'a list of {max_length}',
        'literal_error': 'one of {expected}',
        'string_too_short': 'filled in',
    }.get(kind)
    if wanted is None:
        return f' is {shown(value)}: {error["msg"]}'
    return f' is {shown(value)}; it must be {wanted.format(**context)}'


def remove(options, keys):
    """Take out what ``keys`` lead to, if it is there; of a list, the whole list."""
    for depth, key in enumerate(keys[:-1]):
        if not isinstance(options.get(key), dict):
            keys = keys[: depth + 1]
            break
        options = options[key]
    options.pop(keys[-1], None)


def dotted(keys):
    """Keys as they are written in messages, such as train.optim_g.betas[0]."""
    text = ''
    for key in keys:
        text += f'[{key}]' if isinstance(key, int) and text else f'.{key}' if text else str(key)
    return text
