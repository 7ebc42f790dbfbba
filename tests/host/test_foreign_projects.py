"""Projects that know BasicSR alone: importing this package changes none of their bits."""

import json
import re

import pytest
import torch
import yaml

from ..helpers.quickstart import stage_options, write_data, write_options
from . import foreign_project

IMPORTED = ('import_before', 'import_after')


@pytest.fixture(scope='module')
def runs(fresh, tmp_path_factory):
    """{mode: folder of the foreign project's trainings}"""
    folders = {mode: tmp_path_factory.mktemp(mode) for mode in foreign_project.MODES}
    for folder in folders.values():
        foreign_project.write(folder)
    fresh.run(
        [f'from tests.host import foreign_project; foreign_project.main({mode!r})' for mode in folders],
        *folders.values(),
    )
    return folders


def logged(folder, training):
    """Learning rates, losses and scores as they were logged."""
    (log,) = (folder / 'experiments' / training).glob(f'train_{training}_*.log')
    return re.findall(r'iter: +\d+, lr:\(.*?\)|\b(?:l|out)_\w+: \S+|# psnr: .*', log.read_text())


def files(folder, training):
    """Weights and training states of an experiment, {name: content}."""
    experiment = folder / 'experiments' / training
    paths = [*experiment.glob('models/*.pth'), *experiment.glob('training_states/*.state')]
    return {str(path.relative_to(experiment)): torch.load(path, weights_only=False) for path in paths}


@pytest.mark.parametrize('mode', IMPORTED)
@pytest.mark.parametrize(
    'training, lines, saved',
    [
        # Rates and losses of each iteration, and scores; a state and a network every third, and the last network.
        ('sr', 14 + 14 + 3, 4 + 5),
        # The discriminator has four losses and outputs; the generator has two losses, from the second iteration on.
        ('gan', 6 + 4 * 6 + 2 * 5 + 3, 2 + 3 + 3),
        ('video', 6 + 6 + 3, 2 + 3),
        ('recurrent', 6 + 6 + 3, 2 + 3),
    ],
)
def test_a_foreign_training_has_the_same_bits_with_the_import(runs, training, lines, saved, mode):
    """Losses, learning rates, scores, weights, averaged weights and states of optimizers."""
    stock = logged(runs['stock'], training)
    assert len(stock) == lines
    assert logged(runs[mode], training) == stock
    expected = files(runs['stock'], training)
    assert len(expected) == saved
    assert_equal(files(runs[mode], training), expected)


def test_nothing_is_mended_behind_a_foreign_projects_back(runs):
    """After the warm-up the rate stays as it was, and averaged statistics of BatchNorm as they were initialised."""
    fifth = next(line for line in logged(runs['import_before'], 'sr') if re.match('iter: +5,', line))
    assert 'lr:(7.500e-04,)' in fifth
    network = files(runs['import_before'], 'sr')['models/net_g_latest.pth']
    assert not network['params_ema']['body.1.running_mean'].any() and network['params']['body.1.running_mean'].any()


def test_functions_of_basicsrs_pipelines_work_by_themselves(runs):
    stock, *imported = (json.loads((folder / 'functions.json').read_text()) for folder in runs.values())
    # Three images five times, in batches of two without the last: 7, of which BasicSR expects 8.
    assert stock['create_train_val_dataloader'][:4] == [7, 1, 2, 14]
    assert [*stock] == [
        'load_resume_state',
        'create_train_val_dataloader',
        'basicsr.train.build_model',
        'basicsr.test.build_model',
        'build_dataset',
    ]
    assert imported == [stock, stock]


def assert_equal(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_equal(*pair)
    else:
        assert found == expected


YAML = """
import pgtf_basicsr, yaml
from collections import OrderedDict
from basicsr.utils import options
loader, dumper = options.ordered_yaml()
read = yaml.load('{a: !!python/tuple [1, 2], b: 1e-4, a: 3}', loader)
written = yaml.dump(OrderedDict(x=1), Dumper=dumper).strip()
print(options.ordered_yaml.__module__, type(read).__name__, dict(read), written, loader, dumper)
print(yaml.load('!!python/tuple [1, 2]', loader))
"""


def test_yaml_of_a_foreign_project_is_basicsrs(fresh, tmp_path):
    """Tuples, keys that repeat, OrderedDict, and the number that is text."""
    loader, dumper = yaml.CLoader, yaml.CDumper
    expected = f"basicsr.utils.options OrderedDict {{'a': 3, 'b': '1e-4'}} x: 1 {loader} {dumper}\n(1, 2)\n"
    assert fresh.run(YAML, tmp_path) == [expected]


OWN_MODEL = """
import pgtf_basicsr
from basicsr.train import train_pipeline
train_pipeline('.')
"""


def test_models_of_this_package_train_and_resume_in_basicsrs_own_pipeline(fresh, tmp_path):
    """A foreign train.py: warm-up ends at the rate of the options, and a cosine outlasts its period."""
    write_data(tmp_path)
    opt = stage_options(
        1,
        **{
            'train:total_iter': 4,
            'train:warmup_iter': 2,
            'train:scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [3], 'eta_min': 1e-5},
            # BasicSR reads YAML 1.1, in which 1e-3 is text.
            'train:optim_g': {'type': 'AdamW', 'lr': 0.001},
            'num_gpu': 0,
        },
    )
    path = write_options(tmp_path, opt)
    (output,) = fresh.run(OWN_MODEL, tmp_path, arguments=['-opt', path])
    rates = [float(rate) for rate in re.findall(r'lr:\(([^,]+),', output)]
    assert rates[0] == pytest.approx(5e-4) and rates[3] == pytest.approx(1e-5) and len(rates) == 4
    experiment = tmp_path / 'experiments/quickstart_stage1'
    assert (experiment / 'models/net_g_latest.pth').exists() and '# psnr' in output
    (experiment / 'training_states/4.state').unlink()
    (output,) = fresh.run(OWN_MODEL, tmp_path, arguments=['-opt', path, '--auto_resume'])
    assert 'Resuming training from epoch: 0, iter: 2.' in output and 'iter:       4' in output
