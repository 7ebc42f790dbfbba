"""What the documentation tells people to type: commands and code, with the page and line where they stand."""

import re
import shlex
import textwrap
from dataclasses import dataclass

from .quickstart import ROOT

# In the order in which somebody reads them: a later page may build on what an earlier one has made.
FIRST = ('README.md', 'docs/getting_started.md', 'CONTRIBUTING.md')
PAGES = [*FIRST, *sorted({str(path.relative_to(ROOT)) for path in (ROOT / 'docs').rglob('*.md')} - set(FIRST))]
# Pages whose code and commands have tests of their own.
OWN_TESTS = {
    'docs/videos.md': 'tests/restoration/test_command.py',
    'docs/checkpoints.md': 'tests/export/test_documentation.py',
    'docs/plugin.md': 'tests/docs/test_plugin.py',
    'docs/python.md': 'tests/test_python_page.py',
}
# What a block of commands begins with.
PROGRAMS = re.compile(
    r'(\.venv/bin/)?(basicsr|pgtf|python[\d.]*|pip|torchrun|make|ruff|jupyter|git|mkdocs|sbatch|srun)\b'
)
SHELLS = ('sh', 'bash', 'shell', 'console')

FENCED = re.compile(r'^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$', re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r'(?<=\n\n)(?:(?: {4}[^\n]*)?\n)*? {4}[^\n]*\n(?:(?: {4}[^\n]*)?\n)*')


@dataclass(frozen=True)
class Block:
    """A block of code of a page.

    Attributes:
        page (str): Path of the page in the repository.
        line (int): Of the page, where the text begins.
        language (str): As the fence states it; '' where it states none.
        title (str): Name of the file that the block shows; '' where it shows none.
        text (str): Without the page's indentation.
    """

    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        return f'{self.page}:{self.line}'


@dataclass(frozen=True)
class Command:
    """A command of a line of a block of commands, without comment; ``words`` as a shell splits it."""

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)


def blocks_of(page):
    """List the blocks of a page, in its order."""
    text = (ROOT / page).read_text()
    found = []
    for match in FENCED.finditer(text):
        language, _, rest = match['info'].partition(' ')
        title = re.search(r'title="([^"]*)"', rest)
        found.append((match.start('text'), language, title[1] if title else '', match['text']))
    # What is fenced is blotted out, so that the code in it is not taken for an indented block.
    unfenced = FENCED.sub(lambda match: re.sub('.', 'x', match[0]), text)
    found.extend((match.start(), '', '', match[0]) for match in INDENTED.finditer(unfenced))
    return [
        Block(page, 1 + text.count('\n', 0, start), language, title, textwrap.dedent(code))
        for start, language, title, code in sorted(found)
    ]


def commands_of(page):
    """List the commands of a page, in its order."""
    found = []
    for block in blocks_of(page):
        if block.language in SHELLS or (not block.language and PROGRAMS.match(block.text.lstrip('\n'))):
            lines = block.text.replace('\\\n', '  ').splitlines()
            for number, line in enumerate(lines):
                text = re.sub(r'(^|\s+)#.*', '', line).strip().removeprefix('$ ')
                place = f'{block.page}:{block.line + number}'
                found.extend(Command(place, part.strip()) for part in text.split('&&') if part)
    return found
