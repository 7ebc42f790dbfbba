"""Checks of option values that the data part shares."""

from dataclasses import fields

from ..errors import UserError


def from_options(cls, options, where):
    """Dataclass ``cls`` from a dict of options; what it leaves out keeps its default."""
    require(isinstance(options, dict), where, f'is {options!r}; it must be a section with keys of its own')
    names = [field.name for field in fields(cls)]
    for name in options:
        require(name in names, where, f'has no option {name!r}; there are {", ".join(names)}')
    return cls(**options)


def require(condition, where, complaint):
    """Raise a UserError that begins with ``where`` unless the condition holds."""
    if not condition:
        raise UserError(f'{where}: {complaint}')


def require_number(where, name, value, low, high):
    """A single number between low and high."""
    require(
        is_number(value) and low <= value <= high,
        where,
        f'{name} is {value!r}; it must be a number between {low:g} and {high:g}',
    )


def require_range(where, name, value, low, high):
    """Two numbers in order, both between low and high."""
    require(
        isinstance(value, (list, tuple))
        and len(value) == 2
        and all(map(is_number, value))
        and low <= value[0] <= value[1] <= high,
        where,
        f'{name} is {value!r}; it must be two numbers [low, high] between {low:g} and {high:g}',
    )


def require_choice(where, name, value, choices):
    """One of a few values."""
    require(value in choices, where, f'{name} is {value!r}; it must be one of {", ".join(map(str, choices))}')


def is_number(value):
    """A real number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
