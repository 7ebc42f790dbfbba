"""The reference of all options, written from the descriptions that the check goes by."""

import inspect
import re
import typing
from collections.abc import Callable
from typing import Annotated, Any

import yaml
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from .registered_sections import COMPARED, SCHEDULERS, UNSUITABLE, description_of, is_own, scheduler_arguments
from .schema import DataSetOptions, RunOptions
from .sections import Section, section_in, type_of
from .signatures import arguments_of
from .value_types import name_of

__all__ = ['reference_page']

INTRODUCTION = """
# Options

All options of an option file, as `basicsr check-options --reference` writes them. `basicsr check-options FILE` reports
all mistakes of a file. Where the default is –, the key must be given if its section is there; `~` stands for none.
Sections that have a `type` take the arguments of what is registered under that name.
"""
HEADER = '| option | value | default | meaning |\n|---|---|---|---|'


def reference_page() -> str:
    """Return the page, in Markdown."""
    parts = [INTRODUCTION, '## Every option file', *sections_of(RunOptions, '', 3)]
    parts += ['### datasets.*', first_sentence(DataSetOptions), table(rows_of(DataSetOptions))]
    for model in own(MODEL_REGISTRY):
        described = description_of(model, RunOptions)
        others = '' if described.is_open else ', and no others'
        parts += [f'## Model {model.__name__}', first_sentence(model), f'It has these options besides{others}:']
        parts += sections_of(described, '', 3, RunOptions)
    for data_set in own(DATASET_REGISTRY):
        described = description_of(data_set, DataSetOptions)
        parts += [f'## Dataset {data_set.__name__}', first_sentence(data_set)]
        parts.append(table(rows_of(described, DataSetOptions)))
        for key, field in described.model_fields.items():
            section = section_in(type_of(field))
            if section is not None:
                parts += sections_of(section, key, 3)
    for title, registry, skipped in (
        ('Networks', ARCH_REGISTRY, ()),
        ('Losses', LOSS_REGISTRY, ()),
        ('Metrics', METRIC_REGISTRY, COMPARED),
        *((title, registry, ()) for title, registry in registries_of_models().items()),
    ):
        parts.append(f'## {title}')
        for item in own(registry):
            parts += [f'### {item.__name__}', first_sentence(item)]
            parts.append(table(argument_rows(item, arguments_of(item, skipped))))
        if registry is METRIC_REGISTRY:
            parts.append(
                'Metrics take `better` as well, higher or lower, where it is not known which are the better ones.'
            )
    # Which there are depends on the version of torch.
    parts += [
        '## Optimizers',
        f'Those of `torch.optim`, such as Adam, AdamW and SGD, with its arguments; all but {", ".join(UNSUITABLE)}.',
        '## Schedulers',
    ]
    for name, scheduler in SCHEDULERS.items():
        parts += [f'### {name}', table(argument_rows(scheduler, scheduler_arguments(scheduler)))]
    return '\n\n'.join(part.strip() for part in parts if part.strip()) + '\n'


def own(registry: Any) -> list[Any]:
    """List this package's registered items, by name."""
    return [item for _, item in sorted(registry) if is_own(item)]


def registries_of_models() -> dict[str, Any]:
    """Return the registries that sections of this package's models name items of, by their headings."""
    found: dict[str, Any] = {}
    for model in own(MODEL_REGISTRY):
        found |= description_of(model, RunOptions).registries
    return found


def sections_of(described: type[Section], path: str, level: int, known: type[Section] | None = None) -> list[str]:
    """List the parts for a section and the sections in it, without what ``known`` describes alike."""
    rows = rows_of(described, known)
    parts = []
    if rows:
        title = path or ('Top level' if known is None else 'top level')
        parts = [f'{"#" * level} {title}', first_sentence(described) if known is None else '', table(rows)]
    for key, field in described.model_fields.items():
        inner = section_in(type_of(field))
        if inner:
            base = known.model_fields.get(key) if known else None
            parts += sections_of(inner, f'{path}.{key}'.strip('.'), level, section_in(type_of(base)) if base else None)
    return parts


def rows_of(described: type[Section], known: type[Section] | None = None) -> list[str]:
    """List the rows for the keys of a description that ``known`` does not have alike."""
    rows: dict[Any, list[str]] = {}
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


def argument_rows(item: Callable[..., Any], described: type[Section]) -> list[str]:
    """List the rows for the arguments of a class or function."""
    known = meanings(item)
    return [
        row(name, type_of(field), field.default, known.get(name, ''), '–' if field.is_required() else '')
        for name, field in zip(described.described_keys(), described.model_fields.values())
    ]


def row(name: str, kind: Any, default: Any, meaning: str | None, no_default: str) -> str:
    """Write the row of an option."""
    cells = [f'`{name}`', name_of(kind), no_default or default_text(kind, default), meaning or '']
    return '| ' + ' | '.join(cell.replace('|', '\\|').replace('<', '&lt;') for cell in cells) + ' |'


def table(rows: list[str]) -> str:
    """Write a table, or nothing where there are no rows."""
    return '\n'.join([HEADER, *rows]) if rows else ''


def default_text(kind: Any, default: Any) -> str:
    """Write a default as it would stand in a file; empty where leaving the key out is not the same as any value."""
    if default is inspect.Parameter.empty or (default is None and not takes_none(kind)):
        return ''
    if isinstance(default, tuple):
        default = list(default)
    text = yaml.safe_dump(default, default_flow_style=True, width=1000).removesuffix('\n').removesuffix('\n...')
    return '`~`' if default is None else f'`{text}`'


def takes_none(kind: Any) -> bool:
    """Say whether ~ is a value of a type."""
    return (
        kind is typing.Any
        or type(None) in typing.get_args(kind)
        or (typing.get_origin(kind) is Annotated and takes_none(typing.get_args(kind)[0]))
    )


def first_sentence(item: Any) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return plain((inspect.getdoc(item) or '').partition('\n\n')[0])


def meanings(item: Any) -> dict[str, str]:
    """Read the meanings of arguments from the docstrings, Args and Attributes, of a class and its bases."""
    found: dict[str, str] = {}
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


def plain(text: str) -> str:
    """Write the text of a docstring as Markdown, in one line."""
    text = re.sub(r':\w+:`~?([^`]+)`', r'`\1`', text)
    return ' '.join(text.replace('``', '`').split())
