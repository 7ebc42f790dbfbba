"""Broken option files, made by one change each of good ones that are the tests' own."""

import re
from dataclasses import dataclass
from pathlib import Path

# Files of the tests' own, so that the quickstart can be tuned: one of each model and stage, and a test.
OPTIONS = Path(__file__).parents[1] / 'fixtures' / 'options'
LINE = re.compile(r'^(?P<indent> *)(?P<key>\w+): *(?P<value>[^#\n]*?)(?P<comment> +#.*)?$')
# Keys that a user chooses.
FREE = {'psnr', 'ssim', 'msrl', 'test_1', 'test_2'}
REQUIRED = (
    'name',
    'model_type',
    'num_gpu',
    'datasets',
    'network_g',
    'path',
    'train',
    'logger',
    'total_iter',
    'optim_g',
    'scheduler',
    'print_freq',
    'save_checkpoint_freq',
    'use_tb_logger',
    'val_freq',
    'save_img',
    'stage',
    'pretrain_network_vqgan',
    'network_vqgan',
    'network_d',
    'optim_d',
    'batch_size_per_gpu',
    'num_worker_per_gpu',
    'dataroot_gt',
    'periods',
    'milestones',
    'crop_border',
)


@dataclass(frozen=True)
class Broken:
    """A broken option file: its text, and what the message must name."""

    what: str
    text: str
    names: str
    line: int | None = None


def misspelt_keys(name):
    """Every key of a file loses its last letter but one."""
    for lines, number, found in keys_of(name):
        key = found['key']
        if key not in FREE:
            typo = key[:-2] + key[-1] if len(key) > 3 else key + 'x'
            yield Broken(
                f'{key} misspelt', changed(lines, number, lines[number].replace(key, typo, 1)), typo, number + 1
            )


def wrong_types(name):
    """Every value becomes one of another type."""
    for lines, number, found in keys_of(name):
        value = found['value']
        if value and value[0] not in '&*{':
            other = {'[': '{a: 1}'}.get(value[0], 'three' if is_number(value) else '[1, 2]')
            yield Broken(
                f'{found["key"]} of another type', with_value(lines, number, found, other), found['key'], number + 1
            )


def true_for_numbers(name):
    """Every number becomes true, which is 1 to Python."""
    for lines, number, found in keys_of(name):
        if is_number(found['value']):
            yield Broken(f'{found["key"]} true', with_value(lines, number, found, 'true'), found['key'], number + 1)


def quoted_numbers(name):
    """Every number becomes text."""
    for lines, number, found in keys_of(name):
        if is_number(found['value']):
            text = with_value(lines, number, found, f"'{found['value']}'")
            yield Broken(f'{found["key"]} quoted', text, found['key'], number + 1)


def repeated_keys(name):
    """Every line with a value stands twice."""
    for lines, number, found in keys_of(name):
        if found['value'] and '&' not in found['value']:
            text = changed(lines, number, f'{lines[number]}\n{lines[number]}')
            yield Broken(f'{found["key"]} twice', text, found['key'], number + 2)


def unknown_types(name):
    """Every registered name loses its last letter."""
    for lines, number, found in keys_of(name):
        if found['key'] in ('type', 'model_type'):
            yield Broken(
                f'{found["value"]} misspelt',
                with_value(lines, number, found, found['value'][:-1]),
                found['value'][:-1],
                number + 1,
            )


def missing_paths(name):
    """Every file or folder is looked for elsewhere."""
    for lines, number, found in keys_of(name):
        if '/' in found['value'] and found['value'][0] not in '[{':
            yield Broken(
                f'{found["key"]} elsewhere',
                with_value(lines, number, found, f'{found["value"]}_no'),
                found['key'],
                number + 1,
            )


def missing_keys(name):
    """Every key that is needed is taken out, with all that is in it."""
    for lines, number, found in keys_of(name):
        rest = [*lines[:number], *lines[end_of(lines, number) :]]
        # An anchor that is gone is another mistake, and a merged key is still there.
        if (
            found['key'] in REQUIRED
            and '&' not in ''.join(lines[number : end_of(lines, number)])
            and '<<:' not in lines[number - 1]
        ):
            yield Broken(f'{found["key"]} left out', '\n'.join(rest), found['key'])


def numbers_for_sections(name):
    """Every section becomes a number, with nothing in it."""
    for lines, number, found in keys_of(name):
        end = end_of(lines, number)
        if end > number + 1 and not found['value'] and '&' not in ''.join(lines[number:end]):
            text = [*lines[:number], f'{found["indent"]}{found["key"]}: 5', *lines[end:]]
            yield Broken(f'{found["key"]} a number', '\n'.join(text), found['key'], number + 1)


KINDS = (
    misspelt_keys,
    wrong_types,
    true_for_numbers,
    quoted_numbers,
    repeated_keys,
    unknown_types,
    missing_paths,
    missing_keys,
    numbers_for_sections,
)


def keys_of(name):
    """(lines, index, match) for every line of a file that sets a key."""
    lines = (OPTIONS / name).read_text().split('\n')
    for number, line in enumerate(lines):
        found = LINE.match(line)
        if found:
            yield lines, number, found


def changed(lines, number, line):
    return '\n'.join([*lines[:number], line, *lines[number + 1 :]])


def with_value(lines, number, found, value):
    return changed(lines, number, f'{found["indent"]}{found["key"]}: {value}')


def end_of(lines, number):
    """Index after a key's line and those of the section in it."""
    end = number + 1
    while end < len(lines) and (not lines[end].strip() or indent_of(lines[end]) > indent_of(lines[number])):
        end += 1
    return end


def indent_of(line):
    return len(line) - len(line.lstrip())


def is_number(value):
    return re.fullmatch(r'-?\d+(\.\d+)?(e-?\d+)?', value) is not None


def replaced(name, old, new):
    """A file with the first ``old`` replaced."""
    text = (OPTIONS / name).read_text()
    if old not in text:
        raise ValueError(f'{name} has no {old!r}')
    return text.replace(old, new, 1)
