"""Every command in the documentation: run as it stands where that is possible here, else parsed by the real parser."""

import argparse
import contextlib
import glob
import importlib
import io
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.distributed.run import get_args_parser

from pgtf_basicsr import config
from pgtf_basicsr.checkpoints import write_checkpoint
from pgtf_basicsr.samples import sample_data, sample_masks
from pgtf_command import COMMANDS

from ..helpers.documents import OWN_TESTS, PAGES, Command, blocks_of, commands_of
from ..helpers.downloads import CLIPS, frames_of, write_clip
from ..helpers.processes import run
from ..helpers.quickstart import QUICKSTART, ROOT, SMALL, parsing_options, stage_options, write_options
from ..helpers.training_steps import network

# Commands that are not run here, as regular expressions, and why. Their arguments are parsed, and the option files that
# they name must be there.
NOT_RUN = {
    r'basicsr train -opt (options/)?(stage\d|comparison/\w+)\.yml': 'VFHQ and GPUs',
    r'basicsr train -opt (options/)?parsing\.yml': 'CelebAMask-HQ',
    r'basicsr test -opt (options/)?test_stage4\.yml': 'VFHQ-Test and weights of stage IV',
    r'basicsr test -opt tables/table\d\.yml': 'VFHQ-Test and weights of all methods',
    r'torchrun .*': 'GPUs',
    r'basicsr check-options options/\*\.yml': 'data that the files name; tests/config checks all files',
    r'basicsr prepare videos .*': 'films of one face each; tests/preparation/test_videos.py has them',
    r'basicsr demo': 'takes long; tests/samples runs it',
    r'basicsr (train|test) -opt ablations/.*': 'VFHQ and GPUs; tests/models/test_ablations.py trains the variants',
    r'basicsr report ablations .*': 'results of trainings; tests/evaluation/test_ablations.py writes some',
    r'basicsr evaluate .* fvd': 'weights of I3D',
    r'jupyter .*': 'a server; tests/examples runs the notebook',
    r'basicsr ui .*': 'a server; tests/ui opens the page',
    r'basicsr evaluate .* lpips .*': 'weights of VGG-16',
    r'(python[\d.]* -m )?pip (install|wheel) .*': 'installs',
    r'make .*': 'installs, or takes long',
    r'python benchmarks/.*': 'takes long',
    r'\.venv/bin/.*': 'tools of a checkout',
}
PIP = """
import sys
from pip._internal.commands import create_command
print(*create_command(sys.argv[1]).parse_args(sys.argv[2:])[1])
"""
# Sides of the videos, the least that NIQE takes, and of other frames; frames of a clip that `prepare` takes, at least.
VIDEO, FRAME, SHORTEST = 192, 96, 16


@pytest.mark.slow(seconds=35)
def test_commands(sandbox):
    """One test for all, in the order of the pages: they share a folder, as they do for who follows them."""
    faults, seen = [], set()
    for page in PAGES:
        if page not in OWN_TESTS:
            faults += check_page(page, sandbox, seen)
    assert not faults, '\n\n'.join(faults)
    assert seen >= set(NOT_RUN), f'no page has {set(NOT_RUN) - seen}: take them out of NOT_RUN'


def check_page(page, folder, seen, before=None, **environment):
    """Check the commands of a page; returns what is wrong.

    ``seen`` holds what was checked before, which is not checked again, and the patterns of NOT_RUN that it matched.
    """
    faults = []
    for command in commands_of(page):
        if command.text not in seen:
            patterns = [pattern for pattern in NOT_RUN if re.fullmatch(pattern, command.text)]
            seen.update(patterns, [command.text])
            fault = parse(command, page) if patterns else run_in(folder, command, before, **environment)
            if fault:
                faults.append(f'{command.place}: {command.text}\n{fault}')
    return faults


@pytest.mark.parametrize('page, test', OWN_TESTS.items())
def test_pages_with_tests_of_their_own(page, test):
    assert Path(page).name in (ROOT / test).read_text()
    for command in commands_of(page):
        assert parse(command, page) is None, f'{command.place}: {command.text}'


def test_commands_in_the_text_exist():
    faults = []
    for page in PAGES:
        for text in re.findall(r'(?<!`)`((?:basicsr|pgtf|python|make) [^`\n]+)`', (ROOT / page).read_text()):
            program, word = text.split()[:2]
            known = {
                'basicsr': word in COMMANDS,
                'pgtf': word in COMMANDS,
                'python': word == '-m' or (ROOT / word).is_file(),
                'make': word in make_targets(),
            }
            if not known[program]:
                faults.append(f'{page}: `{text}` does not exist')
    assert not faults, '\n'.join(faults)


@pytest.mark.parametrize(
    'text, fault',
    [
        ('basicsr restore in.mp4 -o out.mp4 --wieghts w.pth', 'unrecognized arguments: --wieghts w.pth'),
        ('basicsr restore in.mp4 -o out.mp4 --weights w.pth --colour', 'unrecognized arguments: --colour'),
        ('basicsr train -opt options/stage5.yml', 'options/stage5.yml is not an option file'),
        ('basicsr tarin -opt options/stage1.yml', 'there is no command tarin'),
        ('torchrun --nproc_per_node 8 -m pgtf_basicsr train --opt_file x', 'required: -opt'),
        ('torchrun --processes 8 -m pgtf_basicsr train -opt options/stage1.yml', '--processes'),
        ('pip install "pgtf-basicsr[metrics]"', 'there is no extra metrics'),
        ('pip install --no-isolation .', 'no such option: --no-isolation'),
        ('make tests', 'there is no target tests'),
        ('python benchmarks/speed.py', 'benchmarks/speed.py does not exist'),
        ('python benchmarks/inference_speed.py --round 3', 'no option --round'),
        ('conda install x', 'conda'),
    ],
)
def test_mistakes_in_commands_are_found(text, fault):
    assert fault in parse(Command('here', text), 'README.md')


# ------------------------------------------------------------------------------ running


@pytest.fixture(scope='module')
def sandbox(tmp_path_factory):
    """A folder in which the commands find what they name, small."""
    folder = tmp_path_factory.mktemp('sandbox')
    for page in PAGES:
        for place, name in re.findall(r'-opt ((?:options/)?quickstart)/(\w+)\.yml', (ROOT / page).read_text()):
            (folder / place).mkdir(parents=True, exist_ok=True)
            write_options(folder / place, small_options(name), f'{name}.yml')

    options = stage_options(4)['network_g']
    torch.manual_seed(0)
    write_checkpoint(folder / 'net_g_latest.pth', {'params': network(options).state_dict(), 'network': options})

    sample = folder / 'clips'
    sample_data.write_sample_data(sample, clips=2, test_clips=2, clip_frames=4, size=FRAME, video_size=VIDEO)
    degraded, aligned = (sorted((sample / 'test' / kind).glob('*.mp4')) for kind in ('degraded', 'aligned'))
    for source, target in ((degraded[0], 'input.mp4'), (degraded[0], 'mine.mp4'), (aligned[0], 'clean.mp4')):
        shutil.copy(source, folder / target)
    for number, name in enumerate(CLIPS):
        write_clip(folder / 'downloads' / 'VFHQ' / name, frames_of(number % 2, length=SHORTEST, seed=number)[0])
    for target in ('CodeFormer/VFHQ-Test', 'PGTFormer', 'datasets/VFHQ-Test/GT'):
        shutil.copytree(sample / 'test' / 'GT', folder / target)
    run(folder, 'evaluate', '--restored', 'PGTFormer', '--gt', 'PGTFormer', '--name', 'PGTFormer_stage4_VFHQ-Test')
    return folder


def run_in(folder, command, before=None, **environment):
    """Run a command of this package in a folder; returns what is wrong, or None."""
    arguments = own_arguments(command.words)
    if arguments is None:
        return 'only commands of this package are run: list it in NOT_RUN, with the reason'
    arguments = [name for word in arguments for name in (expanded(word, folder) or [word])]
    try:
        run(folder, *arguments, before=before or small_samples, **environment)
    except AssertionError as error:
        return f'{error}\nGive `sandbox` what it needs, or list it in NOT_RUN, with the reason.'


def small_samples():
    """In the command's process: `sample-data` writes a few clips and images."""
    sample_data.write_sample_data = partial(sample_data.write_sample_data, clips=2, test_clips=1, clip_frames=8)
    sample_masks.write_sample_masks = partial(sample_masks.write_sample_masks, images=6, test_images=2)


def small_options(name):
    """Options of a file of the quickstart for 32x32 frames and two iterations."""
    if name == 'parsing':
        return parsing_options()
    if name.startswith('stage'):
        return stage_options(int(name.removeprefix('stage')))
    options = config.load(QUICKSTART / f'{name}.yml')
    small = options['network_g']
    small.update(SMALL, **({'tfr_levels': [16, 8]} if small['type'] == 'PGTFormer' else {}))
    for dataset in options['datasets'].values():
        dataset.update(gt_size=32, max_frames=4)
    return options


def expanded(word, folder):
    """Names below ``folder`` that a pattern of the shell stands for."""
    return sorted(glob.glob(word, root_dir=folder)) if '*' in word else []


# ------------------------------------------------------------------------------ parsing


def parse(command, page):
    """Parse a command as its program would; returns what is wrong, or None."""
    words = command.words
    program = Path(words[0]).name
    if own_arguments(words) is not None:
        return parse_own(own_arguments(words), page)
    if program == 'torchrun':
        return parse_by(get_args_parser(), words[1:], lambda args: parse_own(args.training_script_args, page))
    if program == 'pip':
        return parse_pip(words[1:])
    if program == 'make':
        return None if words[1] in make_targets() else f'there is no target {words[1]}'
    if program.startswith('python'):
        return parse_pip(words[3:]) if words[1:3] == ['-m', 'pip'] else parse_script(words[1:])
    if program in ('ruff', 'jupyter'):
        return missing_files(words)
    return f'nobody knows how to check {program}: teach `parse`'


def own_arguments(words):
    """Arguments of this package's command, or None if it is another program's."""
    for launch in (['basicsr'], ['pgtf'], ['.venv/bin/basicsr'], ['python', '-m', 'pgtf_basicsr']):
        if words[: len(launch)] == launch:
            return words[len(launch) :]
    return None


def parse_own(arguments, page):
    name, *arguments = arguments
    if name not in COMMANDS:
        return f'there is no command {name}'
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[name][1]).add_arguments(parser)

    def option_files(_):
        titles = {block.title for block in blocks_of(page)}
        for word in arguments:
            if word.endswith('.yml') and not (option_file_exists(word) or word in titles):
                return f'{word} is not an option file'

    return parse_by(parser, arguments, option_files)


def option_file_exists(name):
    """Whether an option file is there, by its path in a checkout or by the name that the package has it under."""
    return any(glob.glob(name, root_dir=folder) for folder in (ROOT, ROOT / 'options'))


def parse_by(parser, arguments, check):
    """Parse by an argparse parser, and check the result."""
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            args = parser.parse_args(arguments)
        except SystemExit as end:
            return errors.getvalue() if end.code else None
    return check(args)


def parse_pip(arguments):
    # In a process of its own, because pip changes how this one imports.
    parsed = subprocess.run([sys.executable, '-c', PIP, *arguments], text=True, capture_output=True, timeout=60)
    if parsed.returncode:
        return parsed.stderr
    extras = config_section('options.extras_require')
    for package in parsed.stdout.split():
        for extra in re.findall(r'^(?:pgtf-basicsr|\.)\[([\w-]+)\]$', package):
            if extra not in extras:
                return f'there is no extra {extra}'


def config_section(name):
    """Keys of a section of setup.cfg."""
    import configparser

    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    return set(parser[name])


def make_targets():
    return set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))


def parse_script(words):
    """Of `python SCRIPT ARGUMENTS` and `python -m pytest ARGUMENTS`."""
    if words[:2] == ['-m', 'pytest']:
        return missing_files(words[1:])
    script = ROOT / words[0]
    if not script.is_file():
        return f'{words[0]} does not exist'
    source = script.read_text()
    return next((f'no option {word}' for word in words[1:] if word[:2] == '--' and f"'{word}'" not in source), None)


def missing_files(words):
    return next((f'{word} does not exist' for word in words[1:] if '/' in word and not (ROOT / word).exists()), None)
