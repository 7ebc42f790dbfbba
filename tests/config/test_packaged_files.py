"""Option files that come with the package: by name, listed, copied."""

import os
from pathlib import Path

import pytest

import pgtf_basicsr
from pgtf_basicsr import config
from pgtf_basicsr.errors import UserError
from pgtf_command import run_command

from ..helpers.processes import run
from ..helpers.quickstart import QUICKSTART, ROOT, write_data

NAMES = sorted(path.relative_to(ROOT / 'options').as_posix() for path in (ROOT / 'options').rglob('*.yml'))


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize('name', NAMES)
def test_names_work_in_any_folder(empty, name):
    assert config.load(name) == config.load(ROOT / 'options' / name)


def test_a_file_of_the_user_wins(empty):
    (empty / 'stage1.yml').write_text('name: mine\n')
    assert config.load('stage1.yml') == {'name': 'mine'}
    assert config.load('quickstart/stage1.yml')['name'] == 'quickstart_stage1'


@pytest.mark.parametrize(
    'name, near',
    [
        ('options/stage2.yml', 'stage2.yml'),
        ('quickstart/stage4.yaml', 'quickstart/stage4.yml'),
        ('exercise_7.yml', 'exercise_6.yml'),
        ('../stage1.yml', 'stage1.yml'),
        ('some.yml', None),
    ],
)
def test_missing_file(empty, name, near):
    """One line: where it was looked for, and what would be right."""
    (empty / 'exercise_6.yml').write_text('')
    with pytest.raises(UserError) as refusal:
        config.read(name)
    message = str(refusal.value)
    assert message.startswith(f'cannot read the option file {name}: {empty / name} does not exist')
    assert message.endswith(' `basicsr options` lists the packaged ones') and '\n' not in message
    assert ('did you mean' in message) == bool(near) and (not near or f'; did you mean {near}? ' in message)


def test_list(empty, capsys):
    assert run_command(['options']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines) == NAMES
    for line in lines:
        name, _, description = line.partition(' ')
        first = (ROOT / 'options' / name).read_text().splitlines()[0]
        assert first == f'# {description.strip()}' and first.endswith('.')


def test_copy(empty, capsys):
    assert run_command(['options', 'copy', 'a/mine']) == 0
    assert capsys.readouterr().out == f'a/mine: {len(NAMES)} option files\n'
    copied = {path.relative_to(empty / 'a/mine').as_posix(): path for path in (empty / 'a/mine').rglob('*.yml')}
    assert sorted(copied) == NAMES and os.listdir('a') == ['mine']
    assert all(path.read_bytes() == (ROOT / 'options' / name).read_bytes() for name, path in copied.items())
    assert all(os.access(path, os.W_OK) for path in copied.values())


def test_copy_overwrites_nothing(empty, capsys):
    (empty / 'mine').mkdir()
    (empty / 'file').write_text('')
    for folder, problem in (
        ('mine', 'mine exists, and nothing is overwritten: name a new folder'),
        ('.', '. exists, and nothing is overwritten: name a new folder'),
        ('file/mine', 'cannot make the folder file/mine: Not a directory'),
    ):
        assert run_command(['options', 'copy', folder]) == 2
        assert capsys.readouterr().err == f'basicsr: {problem}\n'
    assert sorted(os.listdir()) == ['file', 'mine'] and os.listdir('mine') == []


def test_training_by_name(tmp_path):
    """It says which file it uses, and leaves a copy of it."""
    write_data(tmp_path)
    quick = ['train:total_iter=1', 'train:scheduler:periods=[1]', 'datasets:val:max_frames=3']
    output = run(tmp_path, 'train', '-opt', 'quickstart/stage1.yml', '--force_yml', *quick)
    experiment = tmp_path / 'experiments/quickstart_stage1'
    (log,) = experiment.glob('train_*.log')
    for text in (output, log.read_text()):
        (path,) = (line.partition('Option file: ')[2] for line in text.splitlines() if 'Option file: ' in line)
        assert Path(path) == Path(pgtf_basicsr.__file__).parent / 'options/quickstart/stage1.yml'
    assert config.load(experiment / 'stage1.yml') == config.load(QUICKSTART / 'stage1.yml')
