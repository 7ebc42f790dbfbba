"""What mkdocstrings calls for each documented object: docstrings as its parser and Markdown have them."""

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r':\w+:`~?([^`]+)`')
SHARED = re.compile(r'^ {4}(\w+)((?:, \w+)+)( \(.*?\))?: (.*\n?(?: {8}.*\n?)*)', re.MULTILINE)
RETURNED = re.compile(r'^((?:Returns|Yields):\n {4})([\w.]+(?:\[[^]\n]*\])?(?: \| [\w.]+)*)(?=: )', re.MULTILINE)


class MarkdownDocstrings(Extension):
    """Turns docstrings into what the parser takes.

    Roles and ``::`` become Markdown, each of several arguments that share a line gets one of its own, and the type of
    what is returned gets parentheses, without which it would be a name.
    """

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring:
            text = ROLE.sub(r'`\1`', obj.docstring.value)
            text = re.sub(r'(?<=\w)::$', ':', text, flags=re.MULTILINE)
            text = RETURNED.sub(r'\1(\2)', text)
            obj.docstring.value = SHARED.sub(apart, text)


def apart(match: re.Match[str]) -> str:
    """Lines of arguments that share one: the first with the meaning, the others refer to it."""
    first, others, kind, meaning = match.groups()
    lines = [f'    {name}{kind or ""}: As `{first}`.\n' for name in others.removeprefix(', ').split(', ')]
    return f'    {first}{kind or ""}: {meaning.rstrip()}\n{"".join(lines)}'
