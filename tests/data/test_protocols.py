"""Protocols: those that come with the package, and what their files may say."""

import pytest

from pgtf_basicsr.config.packaged.files import packaged_files
from pgtf_basicsr.data.degradation import DegradationRanges
from pgtf_basicsr.data.protocols import open_protocol
from pgtf_basicsr.errors import UserError
from pgtf_command import run_command

PACKAGED = sorted(name.removeprefix('protocols/')[:-4] for name in packaged_files() if name.startswith('protocols/'))
GOOD = """name: mine
size: 48
crops: [aligned, unaligned]
placement: {offset: 0.1}
degradation:
  crf: [18, 25]
seed: 0
"""


def write(folder, text):
    (folder / 'mine.yml').write_text(text)
    return folder / 'mine.yml'


@pytest.mark.parametrize('name', PACKAGED)
def test_packaged_protocols_state_every_number(name):
    """So that no later default changes a test set."""
    protocol, file = open_protocol(name)
    assert protocol.name == name
    ranges = file.options['degradation']
    assert ranges is None or set(ranges) == set(DegradationRanges.model_fields) - {'variant', 'resize_back'}
    assert 'placement' not in file.options or len(file.options['placement']) == 3
    assert open_protocol(file.path)[0] == protocol


@pytest.mark.parametrize(
    'name, variant', [('dicface', 'vfhq'), ('table1', 'vfhq'), ('bfvr_stc', 'bfvr_stc'), ('codeformer', 'codeformer')]
)
def test_published_ranges_are_those_of_training(name, variant):
    ranges = [open_protocol(name)[0].degradation, DegradationRanges(variant=variant)]
    first, second = (of_one.model_dump(exclude={'variant'}) for of_one in ranges)
    assert first == second


def test_numbers_that_are_equal_look_alike(tmp_path):
    texts = [GOOD.replace('crf:', f'sigma: {sigma}\n  crf:') for sigma in ('[1, 10]', '[1.0, 1e1]')]
    first, second = (open_protocol(write(tmp_path, text))[0] for text in texts)
    assert str(first.options()) == str(second.options())


@pytest.mark.parametrize(
    'old, new, mistake',
    [
        ('size: 48', 'size: 8', 'line 2: size is 8; it must be 16 or more'),
        ('[aligned, unaligned]', '[aligned, aligned]', "line 3: crops is ['aligned', 'aligned']; it must name one"),
        ('[aligned, unaligned]', '[face]', "line 3: crops[0] is 'face'; it must be one of 'aligned' or 'unaligned'"),
        ('placement: {offset: 0.1}\n', '', ': placement is missing: unaligned crops need it'),
        ('{offset: 0.1}', '{ofset: 0.1}', 'line 4: placement.ofset: there is no such option; did you mean offset?'),
        ('[18, 25]', '[25, 18]', 'line 6: degradation.crf is [25, 18]; it must be two integers'),
        ('crf: [18, 25]', 'codec: libx265', 'line 5: degradation.codec is libx265; it must be libx264'),
        ('crf: [18, 25]', 'resize_back: false', 'line 5: degradation.resize_back is false'),
        ('degradation:\n  crf: [18, 25]\n', '', ': degradation is missing'),
        ('name: mine', 'name: a@b', "line 1: name is 'a@b'; it must be a word of letters"),
        ('seed: 0', 'seed: zero', "line 7: seed is 'zero'; it must be an integer"),
        ('seed: 0', 'seed: 0\nframes: 3', 'line 8: frames: there is no such option; did you mean max_frames?'),
    ],
)
def test_mistakes_are_reported_with_their_line(tmp_path, old, new, mistake, capsys):
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UserError) as refusal:
        open_protocol(path)
    (line,) = str(refusal.value).splitlines()
    assert line.startswith(f'{path}') and mistake in line
    assert run_command(['check-options', str(path)]) == 2
    assert line in capsys.readouterr().err


def test_unknown_protocols(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r'^--protocol: there is no protocol tabel1; did you mean table1\?$'):
        open_protocol('tabel1')
    with pytest.raises(UserError, match='there are bfvr_stc, blind, .*, or name a file$'):
        open_protocol('xyz')
    with pytest.raises(UserError, match='cannot read the option file mine.yml: '):
        open_protocol('mine.yml')
    write(tmp_path, GOOD)
    assert open_protocol('mine.yml')[0].name == 'mine'
