"""The reference of all options, written from the descriptions that the check goes by."""

import inspect
import re
import types
import typing
from typing import Annotated

import yaml
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from .registered import (
    COMPARED,
    SCHEDULERS,
    UNSUITABLE,
    ArgumentsOf,
    arguments_of,
    description_of,
    is_own,
    scheduler_arguments,
)
from .schema import DataSetOptions, RunOptions
from .sections import Section
from .value_types import name_of

__all__ = ['reference_page']

INTRODUCTION = """
# Options

All that an option file may hold, as `basicsr check-options --reference` writes it. `basicsr check-options FILE` tells
all mistakes of a file. Where the default is –, the key must be given if its section is there; `~` stands for none.
Sections that have a `type` take the arguments of what is registered under that name.
"""
HEADER = '| option | value | default | meaning |\n|---|---|---|---|'


def reference_page():
    """Return the page, in Markdown."""
    parts = [INTRODUCTION, '## Every option file', *sections_of(RunOptions, '', 3)]
    parts += ['### datasets.*', first_sentence(DataSetOptions), table(rows_of(DataSetOptions))]
    for model in own(MODEL_REGISTRY):
        described = description_of(model, RunOptions)
        parts += [f'## Model {model.__name__}', first_sentence(model), 'It has these options besides, and no others:']
        parts += sections_of(described, '', 3, RunOptions)
    for data_set in own(DATASET_REGISTRY):
        described = description_of(data_set, DataSetOptions)
        parts += [
            f'## Data set {data_set.__name__}',
            first_sentence(data_set),
            table(rows_of(described, DataSetOptions)),
        ]
        for key, field in described.model_fields.items():
            parts += [
                part
                for item in tried_out(type_of(field))
                for part in (f'### {key}', first_sentence(item), table(argument_rows(item, arguments_of(item))))
            ]
    for title, registry, left_out in (
        ('Networks', ARCH_REGISTRY, ()),
        ('Losses', LOSS_REGISTRY, ()),
        ('Metrics', METRIC_REGISTRY, COMPARED),
    ):
        parts.append(f'## {title}')
        for item in own(registry):
            parts += [
                f'### {item.__name__}',
                first_sentence(item),
                table(argument_rows(item, arguments_of(item, left_out))),
            ]
    parts.append('Metrics take `better` as well, higher or lower, where it is not known which are the better ones.')
    # Which there are depends on the version of torch.
    parts += [
        '## Optimisers',
        f'Those of `torch.optim`, such as Adam, AdamW and SGD, with its arguments; all but {", ".join(UNSUITABLE)}.',
        '## Schedulers',
    ]
    for name, scheduler in SCHEDULERS.items():
        parts += [f'### {name}', table(argument_rows(scheduler, scheduler_arguments(scheduler)))]
    return '\n\n'.join(part.strip() for part in parts if part.strip()) + '\n'


def own(registry):
    """This package's registered items, by name."""
    return [item for _, item in sorted(registry) if is_own(item)]


def sections_of(described, path, level, known=None):
    """Parts for a section and the sections in it; of what ``known`` describes alike, nothing."""
    rows = rows_of(described, known)
    parts = []
    if rows:
        title = path or ('Top level' if known is None else 'top level')
        parts = [f'{"#" * level} {title}', first_sentence(described) if known is None else '', table(rows)]
    for key, field in described.model_fields.items():
        inner = section_in(type_of(field))
        if inner:
            base = known and known.model_fields.get(key)
            parts += sections_of(inner, f'{path}.{key}'.strip('.'), level, base and section_in(type_of(base)))
    return parts


def rows_of(described, known=None):
    """Rows for the keys of a description that ``known`` does not have alike."""
    rows = {}
    for item in filter(None, (described, known)):
        rows[item] = [
            row(name, kind, inspect.Parameter.empty, meaning, '') for name, (kind, meaning) in item.families.items()
        ]
        rows[item] += [
            row(name, type_of(field), field.default, field.description, '' if not field.is_required() else '–')
            for name, field in item.model_fields.items()
            if not field.exclude
        ]
    return [text for text in rows[described] if text not in rows.get(known, ())]


def argument_rows(item, described):
    """Rows for the arguments of a class or function."""
    known = meanings(item)
    return [
        row(field.alias, type_of(field), field.default, known.get(field.alias, ''), '–' if field.is_required() else '')
        for field in described.model_fields.values()
    ]


def row(name, kind, default, meaning, no_default):
    cells = [f'`{name}`', name_of(kind), no_default or default_text(kind, default), meaning]
    return '| ' + ' | '.join(cell.replace('|', '\\|').replace('<', '&lt;') for cell in cells) + ' |'


def table(rows):
    return '\n'.join([HEADER, *rows]) if rows else ''


def default_text(kind, default):
    """A default as it would stand in a file; empty where leaving the key out is not the same as any value."""
    if default is inspect.Parameter.empty or (default is None and not takes_none(kind)):
        return ''
    if isinstance(default, tuple):
        default = list(default)
    text = yaml.safe_dump(default, default_flow_style=True, width=1000).removesuffix('\n').removesuffix('\n...')
    return '`~`' if default is None else f'`{text}`'


def takes_none(kind):
    return (
        kind is typing.Any
        or type(None) in typing.get_args(kind)
        or (typing.get_origin(kind) is Annotated and takes_none(typing.get_args(kind)[0]))
    )


def type_of(field):
    """The type of a field with what pydantic keeps apart from it."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def members_of(kind):
    """A type, those that a union holds, and what they are annotated with."""
    yield kind
    if typing.get_origin(kind) in (Annotated, typing.Union, types.UnionType):
        for argument in typing.get_args(kind):
            yield from members_of(argument)


def section_in(kind):
    """The description that a type stands for, or None."""
    for member in members_of(kind):
        if inspect.isclass(member) and issubclass(member, Section):
            return member
    return None


def tried_out(kind):
    """What the arguments of a section of this type are tried out on."""
    return [member.func.item for member in members_of(kind) if isinstance(getattr(member, 'func', None), ArgumentsOf)]


def first_sentence(item):
    """First paragraph of a docstring, in one line."""
    return plain(inspect.getdoc(item).partition('\n\n')[0])


def meanings(item):
    """Meanings of arguments: the sections Args and Attributes of the docstrings of a class and its ancestors."""
    found = {}
    for documented in reversed(getattr(item, '__mro__', (item,))):
        text = inspect.cleandoc(documented.__doc__ or '')
        for section in re.findall(r'^(?:Args|Attributes):\n((?:(?: .*)?\n?)*)', text, re.MULTILINE):
            for names, meaning in re.findall(
                r'^ {4}(\w[\w, ]*?)(?: \(.*?\))?: ((?:.*\n?)(?: {8}.*\n?)*)', section, re.MULTILINE
            ):
                # The table has its own column for defaults.
                meaning = re.sub(r' Default: [^;]*$', '', plain(meaning))
                found.update({name.strip(): meaning for name in names.split(',')})
    return found


def plain(text):
    """Text of a docstring as Markdown, in one line."""
    text = re.sub(r':\w+:`~?([^`]+)`', r'`\1`', text)
    return ' '.join(text.replace('``', '`').split())
