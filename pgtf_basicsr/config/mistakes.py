"""Mistakes that pydantic finds, in the words of a user who wrote an option file."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from .value_types import shown

__all__ = ['dotted', 'first_mistake', 'keys_of', 'message_of', 'mistake_at']

Keys = tuple[int | str, ...]

EXPECTED = {
    'bool_type': 'true or false',
    'int_type': 'an integer',
    'float_type': 'a number',
    'string_type': 'text',
    'list_type': 'a list',
    'dict_type': 'a section with keys of its own',
    'finite_number': 'a finite number',
    'greater_than': 'above {gt}',
    'greater_than_equal': '{ge} or more',
    'less_than': 'below {lt}',
    'less_than_equal': '{le} or less',
    'too_short': 'a list of {min_length} or more',
    'too_long': 'a list of {max_length}',
    'literal_error': 'one of {expected}',
    'string_too_short': 'filled in',
}


def mistake_at(key: str, message: str) -> ValidationError:
    """Make an error to raise in the validator of a section: the mistake is at its ``key``."""
    kind = PydanticCustomError('refused', '{message}', {'message': message})
    return ValidationError.from_exception_data('section', [InitErrorDetails(type=kind, loc=(key,), input=None)])


def first_mistake(error: ValidationError, keys: Keys = ()) -> str:
    """Describe the first of the mistakes of options, with the keys that lead to it, after those that lead to these."""
    first = error.errors(include_url=False)[0]
    return dotted((*keys, *keys_of(first))) + message_of(first)


def keys_of(error: ErrorDetails) -> Keys:
    """Return the keys that lead to the value that pydantic complains of."""
    return tuple(key for key in error['loc'] if key != '[key]')


def message_of(error: ErrorDetails) -> str:
    """Say what is wrong, in words that follow the option's name."""
    kind, value, context = error['type'], error['input'], error.get('ctx', {})
    if 'message' in context:
        return context['message']
    if kind == 'missing':
        return ' is missing'
    if kind == 'invalid_key' or error['loc'][-1:] == ('[key]',):
        return ': names of options are text; write it in quotes, or another one'
    if kind not in EXPECTED:
        return f' is {shown(value)}: {error["msg"]}'
    # Pydantic shows the bounds of numbers as fractions.
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in context.items()
    }
    return f' is {shown(value)}; it must be {EXPECTED[kind].format(**limits)}'


def dotted(keys: Keys) -> str:
    """Join keys as messages have them, such as train.optim_g.betas[0]."""
    text = ''
    for key in keys:
        text += f'[{key}]' if isinstance(key, int) and text else f'.{key}' if text else str(key)
    return text
