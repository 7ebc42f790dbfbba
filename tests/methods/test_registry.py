"""Methods by name: built-in ones, those of plugins, and what is missing to run them."""

import re
import sys
from importlib.metadata import entry_points

import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.methods import METHOD_REGISTRY, Method, build_method, missing_weights
from pgtf_basicsr.plugins import load_plugins

from ..helpers.programs import run_program

METHODS = dict(iter(METHOD_REGISTRY))

PLUGIN = """
from pgtf_basicsr.methods import METHOD_REGISTRY, Method, MethodNeeds


@METHOD_REGISTRY.register()
class Brightened(Method):
    title = 'Brightened'
    needs = MethodNeeds(licence='MIT')

    def __init__(self, gain: float = 2.0):
        self.gain = gain

    def restore(self, frames):
        for frame in frames:
            yield (frame * self.gain).clamp(0, 1)
"""
FRESH_PROCESS = """
import sys
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.methods import METHOD_REGISTRY, build_method, missing_weights

for name, kind in METHOD_REGISTRY:
    options = {'type': name, 'weights': 'nowhere.pth'} if kind.needs.weights else {'type': name}
    print('missing', name, missing_weights(options))
print('imported', {'spandrel', 'spandrel_extra_arches'} & set(sys.modules))
for name in 'CodeFormer', 'CodeFormer', 'GFPGAN':
    try:
        build_method({'type': name, 'weights': __file__})
    except UserError as error:
        print('refused', error)
"""


@pytest.fixture
def registered():
    """What is registered in a test is not afterwards."""
    before = dict(iter(METHOD_REGISTRY))
    yield
    METHOD_REGISTRY._obj_map.clear()
    METHOD_REGISTRY._obj_map.update(before)


@pytest.mark.parametrize('name', METHODS)
def test_every_method_states_what_it_needs(name):
    kind = METHODS[name]
    needs = kind.needs
    assert issubclass(kind, Method) and kind.title and needs.licence
    assert needs.window is None or needs.window >= 1
    assert needs.size is None or needs.size % needs.multiple_of == 0
    assert needs.value_range in ((0, 1), (-1, 1)) and needs.scale == 1
    assert (missing_weights({'type': name}) is None) == (needs.weights == '')


def test_what_is_missing_and_what_may_not_be_done(tmp_path):
    """In a process of its own: nothing that would load weights is imported to say that they are missing."""
    (tmp_path / 'program.py').write_text(FRESH_PROCESS)
    output = run_program(tmp_path, 'program.py')
    missing = [line.split(' ', 2)[1:] for line in output.splitlines() if line.startswith('missing')]
    assert len(missing) == len(METHODS)
    for name, line in missing:
        kind = METHODS[name]
        start = f'weights of {kind.title} not found: nowhere.pth (looked for {tmp_path}/nowhere.pth); '
        assert line == (start + kind.needs.weights if kind.needs.weights else 'None')
    assert 'imported set()\n' in output
    # Weights that are none are refused after the licence was told, once in a process.
    assert output.count('S-Lab License 1.0') == 1
    assert output.count('program.py cannot be read as weights') == 3


def test_weights_that_no_option_names():
    for options in ({'type': 'CodeFormer'}, {'type': 'CodeFormer', 'weights': None}):
        assert re.fullmatch(
            r'CodeFormer needs weights: published at https://\S+; name their file with the option weights',
            missing_weights(options),
        )
        with pytest.raises(UserError, match='CodeFormer needs weights'):
            build_method(options)


def test_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'spandrel', None)
    assert missing_weights({'type': 'GFPGAN', 'weights': __file__}) == (
        'GFPGAN needs spandrel, the extra methods: pip install "pgtf-basicsr[methods]"'
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (
            {'type': 'Codeforme'},
            'method Codeforme: type: no method is registered as Codeforme; did you mean CodeFormer?',
        ),
        ({}, 'method : type is missing'),
        (
            {'type': 'CodeFormer', 'weights': 'a.pth', 'fidelty': 0.5},
            'method CodeFormer: fidelty: there is no such option; did you mean fidelity?',
        ),
        (
            {'type': 'CodeFormer', 'weights': 'a.pth', 'fidelity': 1.5},
            'method CodeFormer: fidelity is 1.5; it must be 1 or less',
        ),
        (
            {'type': 'GFPGAN', 'weights': 'a.pth', 'precision': 'fp16'},
            "method GFPGAN: precision is 'fp16'; it must be one of 'fp32' or 'bf16'",
        ),
        (
            {'type': 'BasicVSRPlusPlus', 'weights': __file__, 'chunk': 10, 'overlap': 5},
            'method BasicVSRPlusPlus: overlap is 5; it must be from 0 to below half of chunk, 10',
        ),
    ],
)
def test_wrong_options_are_one_line(options, message):
    with pytest.raises(UserError) as refusal:
        build_method(options)
    assert str(refusal.value) == message


def test_plugin_brings_a_method(tmp_path, monkeypatch, registered):
    """A real distribution on the path, found by its entry point."""
    package = tmp_path / 'bright_plugin-1.0.dist-info'
    package.mkdir()
    (package / 'METADATA').write_text('Metadata-Version: 2.1\nName: bright-plugin\nVersion: 1.0\n')
    (package / 'entry_points.txt').write_text('[basicsr.plugins]\nbright = bright_plugin\n')
    (tmp_path / 'bright_plugin.py').write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    assert 'bright' in {plugin.name for plugin in entry_points(group='basicsr.plugins')}
    load_plugins()
    frame = torch.rand(3, 4, 5)
    (brighter,) = build_method({'type': 'Brightened', 'gain': 3}).restore([frame])
    assert torch.equal(brighter, (frame * 3).clamp(0, 1))
    with pytest.raises(UserError, match='gain is .*it must be a number'):
        build_method({'type': 'Brightened', 'gain': 'much'})
