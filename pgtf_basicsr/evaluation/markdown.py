"""Parts of tables as Markdown: numbers, names, aligned columns, notes."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ['TextTable', 'escaped', 'footnotes', 'markdown_grid', 'markdown_notes', 'number_text']

NO_NUMBER = '–'


@dataclass(frozen=True)
class TextTable:
    """A table of texts, which Markdown and pages show alike.

    Attributes:
        title: Its heading; plain text, as all that it holds.
        rows: Lists of equal lengths; the first is the heading, and the first column names the rows.
        notes: Sentences below it.
    """

    title: str
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return it with a heading of the third level; ends with a line break."""
        cells = [[escaped(cell) for cell in row] for row in self.rows]
        return f'### {escaped(self.title)}\n\n{markdown_grid(cells)}{markdown_notes(self.notes)}'


def number_text(number: float, digits: int, sign: str = '-') -> str:
    """Format a number; one too small for its digits is given as a power of ten, lest it look like 0.

    Args:
        number (float): nan is shown as a dash.
        digits (int): Behind the point.
        sign (str): '+' also marks positive numbers.
    """
    if math.isnan(number):
        return NO_NUMBER
    if math.isinf(number):
        return f'{number:{sign}}'.replace('inf', '∞')
    text = f'{number:{sign}.{digits}f}'
    return f'{number:{sign}.0e}' if number and not float(text) else text


def escaped(name: str) -> str:
    """Escape a name so that Markdown shows it as it is, in tables too; what is not valid Unicode becomes '?'."""
    valid = name.encode('utf-8', 'replace').decode('utf-8')
    return re.sub(r'([\\|`*<])', r'\\\1', ' '.join(valid.split()))


def markdown_grid(rows: Sequence[Sequence[str]]) -> str:
    """Texts as a Markdown table whose columns are aligned: the first is flush left, the others flush right.

    Args:
        rows (list[list[str]]): Of equal lengths; the first is the heading.

    Returns:
        str: Ends with a line break.
    """
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = ['-' * widths[0], *(f'{":":->{width}}' for width in widths[1:])]
    lines = []
    for first, *others in (rows[0], rule, *rows[1:]):
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:]))]
        lines.append(f'| {" | ".join(cells)} |\n')
    return ''.join(lines)


def footnotes(titles: Mapping[str, str], *texts: Mapping[str, str]) -> list[str]:
    """Footnotes of columns; columns that share a text share a note.

    Args:
        titles (dict): {metric: title of its column}.
        texts (dict): {metric: text}; '' where nothing needs to be said.  The texts of a later dict come after.

    Returns:
        list[str]: Plain text.
    """
    notes = []
    for of_metrics in texts:
        shared: dict[str, list[str]] = {}
        for metric, text in of_metrics.items():
            if text:
                shared.setdefault(text, []).append(titles[metric])
        notes += [f'{", ".join(of_text)}: {text}' for text, of_text in shared.items()]
    return notes


def markdown_notes(notes: Sequence[str]) -> str:
    """Notes as a Markdown list: '' or lines, with an empty one before them."""
    return ''.join(['\n', *(f'- {escaped(note)}\n' for note in notes)]) if notes else ''
