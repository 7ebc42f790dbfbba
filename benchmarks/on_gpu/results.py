"""Results of a run: a JSON file and a Markdown page, written anew with every row, and a table on the terminal."""

import json
import sys

from pgtf_basicsr.files import replacing

# Columns of words, in characters.
WIDTHS = {'operation': 30, 'kind': 24, 'what': 30, 'mode': 10}


class Results:
    """Rows by section.

    Args:
        folder (Path): Of the files; it is made if needed.
        name (str): Of the files, without a suffix.
        machine (dict): What the run ran on, for the head of the page.
    """

    def __init__(self, folder, name, machine):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.contents = {'machine': machine, 'sections': {}, 'skipped': [], 'kernels': {}}
        self.printed = ()
        for key, value in machine.items():
            say(f'{key}: {value}')

    def add(self, section, **row):
        """Append a row of a section, print it, and write the files."""
        self.contents['sections'].setdefault(section, []).append(row)
        heads = (section, *row)
        if heads != self.printed:
            say(f'\n{section}')
            say('  '.join(f'{head:>{width(head)}}' for head in row))
            self.printed = heads
        say('  '.join(f'{text(value):>{width(head)}}' for head, value in row.items()))
        self.save()

    def skip(self, section, what):
        """Note what there was no time for."""
        self.contents['skipped'].append({'section': section, 'what': what})
        say(f'skipped, no time left: {section}, {what}')
        self.printed = ()
        self.save()

    def finish(self, seconds):
        """Note how long the run took, and say where the files are."""
        self.contents['machine']['seconds of the run'] = round(seconds)
        self.save()
        say(f'\n{seconds:.0f} s; {self.folder / self.name}.md, .json')

    def save(self):
        self.write('.json', json.dumps(self.contents, indent=1) + '\n')
        self.write('.md', self.markdown())

    def write(self, suffix, contents):
        """Write a file beside the results."""
        with replacing(self.folder / f'{self.name}{suffix}') as partial:
            partial.write_text(contents)

    def markdown(self):
        """The page: the machine, a table for each section, and what was skipped."""
        machine = self.contents['machine']
        lines = [f'# {machine["card"]}', '']
        lines += [f'- {key}: {value}' for key, value in machine.items() if key != 'card']
        for section, rows in self.contents['sections'].items():
            heads = list(dict.fromkeys(head for row in rows for head in row))
            lines += ['', f'## {section}', '', f'| {" | ".join(heads)} |', f'|{" --- |" * len(heads)}']
            lines += [f'| {" | ".join(text(row.get(head)) for head in heads)} |' for row in rows]
        if self.contents['skipped']:
            lines += ['', '## Skipped, no time left', '']
            lines += [f'- {skipped["section"]}: {skipped["what"]}' for skipped in self.contents['skipped']]
        return '\n'.join(lines) + '\n'


def say(line):
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


def width(head):
    """Characters of a column."""
    return WIDTHS.get(head, max(len(head), 9))


def text(value):
    """A value as it is shown."""
    if value is None:
        return ''
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.0f}' if abs(value) >= 1000 else f'{value:.3g}'
    return str(value).replace('|', '/')
