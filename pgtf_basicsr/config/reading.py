"""Option files as plain dicts, and for every value the place where it was set."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError
from ..safe_yaml import SafeLoader
from .packaged.files import find_option_file

__all__ = ['OptionFile', 'load', 'read']

# A few aliases of aliases can stand for more values than memory holds.
MOST_VALUES = 100_000
MERGE = 'tag:yaml.org,2002:merge'


class OptionFile:
    """The options of one file, which can be changed, and where each was set.

    Attributes:
        path (str): The file, for messages.
        options (dict): Its options: dicts, lists and plain values, none of them shared.
    """

    def __init__(self, path: str, options: dict[str, Any], places: dict[tuple[Any, ...], Any]) -> None:
        self.path = path
        self.options = options
        self._places = places

    @property
    def is_for_training(self) -> bool:
        """Whether the file is for training: it says how to train, or on what. Else it is for a test."""
        datasets = self.options.get('datasets')
        return 'train' in self.options or (isinstance(datasets, dict) and 'train' in datasets)

    def override(self, entries: Iterable[str]) -> None:
        """Change options by BasicSR's ``--force_yml`` entries, such as ``train:ema_decay=0.99``.

        The value is read as YAML; nothing is evaluated.

        Raises:
            UserError: If an entry has another form, or names a section that is not there.
        """
        for entry in entries:
            source = f'--force_yml {one_line(entry)}'
            names, separator, value = entry.partition('=')
            path = tuple(names.strip().split(':'))
            section = self.options
            for name in path[:-1]:
                section = section.get(name) if isinstance(section, dict) else None
            if not separator or not path[-1] or not isinstance(section, dict):
                raise UserError(f'{source}: expected section:key=value with a section of the option file')
            section[path[-1]] = parse(value, source)[0]
            self._places = {place: where for place, where in self._places.items() if place[: len(path)] != path}
            self._places[path] = source

    def place(self, path: tuple[Any, ...]) -> str:
        """Say where the value at ``path``, a tuple of keys, was set, or else the section around it.

        Returns:
            str: Such as 'options/stage1.yml, line 12', or 'options/stage1.yml, --force_yml train:stage=5'.
        """
        where = self._where(path)
        if where is None:
            return self.path
        return f'{self.path}, line {where}' if isinstance(where, int) else f'{self.path}, {where}'

    def line(self, path: tuple[Any, ...]) -> int:
        """Return the number of that line, by which mistakes are sorted; 0 where there is none."""
        where = self._where(path)
        return where if isinstance(where, int) else 0

    def _where(self, path):
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return None


def read(path: str | Path) -> OptionFile:
    """Read an option file.

    Args:
        path (str | Path): A YAML file, or the name of one that comes with the package. No objects are constructed, keys
            must not repeat, 1e-4 is a number.

    Returns:
        OptionFile: The options as they stand in the file.

    Raises:
        UserError: If there is no such file, or it is not YAML, or not a mapping; with the line.
    """
    path = find_option_file(path)
    try:
        with open(path, encoding='utf-8') as file:
            text = file.read()
    except OSError as error:
        raise UserError(f'cannot read the option file {path}: {error.strerror}') from error
    except (UnicodeDecodeError, ValueError) as error:
        raise UserError(f'{path}: not a valid option file: {error}') from error
    options, places = parse(text, path)
    if not isinstance(options, dict):
        raise UserError(f'{path}: an option file holds sections such as name:, datasets: and train:')
    return OptionFile(path, options, places)


def load(path: str | Path) -> dict[str, Any]:
    """Read an option file and return its options alone, a dict; errors as of :func:`read`."""
    return read(path).options


def parse(text: str, source: str) -> tuple[Any, dict[tuple[Any, ...], int]]:
    """Read YAML; returns the value, and a dict of where each value in it stands, by tuples of keys.

    Raises:
        UserError: If it is not YAML, constructs objects, repeats a key, contains itself, or is endless.
    """
    loader = None
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        places = Places(loader, node).lines
        return unshared(loader.construct_document(node)), places
    except yaml.YAMLError as error:
        mark = getattr(error, 'problem_mark', None)
        where = f'{source}, line {mark.line + 1}' if mark else source
        problem = getattr(error, 'problem', None) or getattr(error, 'reason', None) or error
        raise UserError(f'{where}: not a valid option file: {one_line(problem)}') from error
    except RecursionError as error:
        raise UserError(f'{source}: not a valid option file: its sections are nested too deeply') from error
    finally:
        if loader is not None:
            loader.dispose()


class Loader(SafeLoader):
    """The safe loader, with the line of values that have an impossible form, such as ``!!int x``."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (LookupError, TypeError, ValueError) as error:
            raise refusal(f'the value cannot be read: {error}', node) from error


class Places:
    """Lines of all values of a document, with aliases and merges (``<<: *anchor``) followed.

    A value that came through an alias stands where the alias stands, the values inside of it where they are
    written.

    Attributes:
        lines (dict): Tuple of keys -> number of the line, from 1 on.
    """

    def __init__(self, loader, node):
        self.lines = {}
        self._loader = loader
        self._entries = {}
        self._walk(node, (), ())

    def _walk(self, node, path, ancestors):
        if node in ancestors:
            raise refusal('an anchor contains itself', node)
        if len(self.lines) > MOST_VALUES:
            raise refusal(f'its aliases stand for more than {MOST_VALUES} values', node)
        if isinstance(node, yaml.MappingNode):
            entries = self._entries_of(node, ())[0].items()
        elif isinstance(node, yaml.SequenceNode):
            entries = ((index, (value.start_mark, value)) for index, value in enumerate(node.value))
        else:
            return
        for key, (mark, value) in entries:
            place = (*path, key)
            self.lines[place] = mark.line + 1
            self._walk(value, place, (*ancestors, node))

    def _entries_of(self, node, ancestors):
        """Entries {key: (mark, value node)} of a mapping, and how many PyYAML makes of them on the way."""
        if node in ancestors:
            raise refusal('an anchor contains itself', node)
        if node not in self._entries:
            own, merged, count = {}, {}, len(node.value)
            for key, value in node.value:
                if key.tag == MERGE:
                    for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                        if isinstance(source, yaml.MappingNode):
                            entries, more = self._entries_of(source, (*ancestors, node))
                            merged, count = {**entries, **merged}, count + more
                elif isinstance(key, yaml.ScalarNode):
                    own[self._loader.construct_object(key)] = (key.start_mark, value)
            if count > MOST_VALUES:
                raise refusal(f'its merges stand for more than {MOST_VALUES} values', node)
            self._entries[node] = {**merged, **own}, count
        return self._entries[node]


def refusal(problem: str, node: yaml.Node) -> yaml.YAMLError:
    """Make an error with the line of a node."""
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def unshared(value: Any) -> Any:
    """Copy a value so that nothing in it is shared: what an alias named can be changed in one of its places."""
    if isinstance(value, dict):
        return {key: unshared(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unshared(item) for item in value]
    return value


def one_line(text: object) -> str:
    """Shorten a message or value to one line."""
    text = ' '.join(str(text).split())
    return text if len(text) <= 200 else f'{text[:200]}...'
