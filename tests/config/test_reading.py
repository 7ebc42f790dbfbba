"""Where options come from: lines of the file, anchors and merges, --force_yml."""

import pytest

from pgtf_basicsr import config
from pgtf_basicsr.errors import UserError

TEXT = """
a: &a
  x: 1
  deep: {y: 2}
b:
  <<: *a
  z: 1e-4
c: *a
d: [1, [2, 3]]
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'o.yml').write_text(TEXT)
    return config.read('o.yml')


def test_numbers_and_merges_are_read(file):
    assert file.options['b'] == {'x': 1, 'deep': {'y': 2}, 'z': 1e-4}
    assert config.load('o.yml') == file.options


@pytest.mark.parametrize(
    'keys, line',
    [
        (('a',), 2),
        (('a', 'x'), 3),
        (('a', 'deep', 'y'), 4),
        (('b',), 5),
        (('b', 'x'), 3),
        (('b', 'z'), 7),
        (('c',), 8),
        (('c', 'deep'), 4),
        (('d', 1, 0), 9),
        (('b', 'missing'), 5),
        (('b', 'x', 'none'), 3),
    ],
)
def test_a_value_is_told_in_its_line(file, keys, line):
    assert file.place(keys) == f'o.yml, line {line}'


def test_what_is_nowhere_is_told_without_a_line(file):
    assert file.place(('nothing',)) == file.place(()) == 'o.yml'


def test_an_override_names_its_entry(file):
    file.override(['b:x=[1, 2]', 'new={k: 1e-3}'])
    assert file.options['b']['x'] == [1, 2] and file.options['new'] == {'k': 1e-3}
    assert file.place(('b', 'x')) == file.place(('b', 'x', 1)) == 'o.yml, --force_yml b:x=[1, 2]'
    assert file.place(('new', 'k')) == 'o.yml, --force_yml new={k: 1e-3}'


def test_an_override_changes_one_place_only(file):
    file.override(['c:deep:y=5'])
    assert file.options['c']['deep']['y'] == 5
    assert file.options['a']['deep']['y'] == file.options['b']['deep']['y'] == 2


@pytest.mark.parametrize(
    'entry', ['b:x', 'nothing:x=1', 'b:x:y=1', 'b:=1', '=1', 'd:0=1', 'b:x=[1', 'b:x=!!python/none']
)
def test_a_malformed_override_is_refused_in_a_line(file, entry):
    with pytest.raises(UserError) as refusal:
        file.override([entry])
    assert str(refusal.value).startswith(f'--force_yml {entry}') and '\n' not in str(refusal.value)


def test_nothing_of_an_override_is_evaluated(file, tmp_path):
    file.override(['b:x=__import__("os").mkdir("made")'])
    assert file.options['b']['x'] == '__import__("os").mkdir("made")'
    assert not (tmp_path / 'made').exists()


def test_an_equal_sign_in_the_value(file):
    file.override(['b:x=a=b'])
    assert file.options['b']['x'] == 'a=b'


@pytest.mark.parametrize('make', [lambda path: path.mkdir(), lambda path: path.write_bytes(b'\xff\xfe\x00a')])
def test_what_is_no_text_file(tmp_path, make):
    make(tmp_path / 'x.yml')
    with pytest.raises(UserError) as refusal:
        config.read(tmp_path / 'x.yml')
    assert 'x.yml' in str(refusal.value) and '\n' not in str(refusal.value)
