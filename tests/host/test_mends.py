"""BasicSR's faults, shown in the stock host, and that each is mended where the table says so and nowhere else."""

import json
import re
from pathlib import Path

import basicsr
import pytest
import torch
import yaml
from basicsr.models.base_model import BaseModel

from pgtf_basicsr import host
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.safe_yaml import SafeLoader

from ..helpers.quickstart import ROOT, write_data
from ..helpers.quickstart import basicsr as run_basicsr
from .cases import CASES, MODES

# {mend: what the stock host does, what it does once it is mended}; see `cases`.
AT_IMPORT = {
    'basicsr.utils.dist_util.init_dist': ('raises ZeroDivisionError', 'gloo'),
    'basicsr.utils.options.init_dist': ('raises ZeroDivisionError', 'gloo'),
    'basicsr.models.base_model.BaseModel.model_to_device': ('raises', 'DistributedDataParallel'),
    # PSNR of 0.5 against 0.6, as uint8: 20 log10(255 / 25).
    'basicsr.models.video_base_model.VideoBaseModel.dist_validation': ('raises', [20.17, 20.17]),
    'basicsr.models.video_recurrent_model.VideoRecurrentModel.dist_validation': ('raises', [20.17, 20.17]),
    'basicsr.train.load_resume_state': ('raises', [[4, 'models/net_g_4.pth'], [12, 'models/net_g_12.pth'], None]),
    'basicsr.data.prefetch_dataloader.PrefetchDataLoader.__iter__': ([0, 'hangs'], [0, 'ValueError']),
    'basicsr.data.data_sampler.EnlargedSampler.set_epoch': ([None, None], [7, None]),
}
OWN_RUNS = {
    'basicsr.models.base_model.BaseModel.get_optimizer': ('raises NotImplementedError', ['NAdam', 0.1]),
    'basicsr.models.base_model.BaseModel.model_ema': ([False, [1.5, 1.5]], [True, [1.5, 1.5]]),
    'basicsr.models.base_model.BaseModel.update_learning_rate': (
        [0.25, 0.5, 0.75, 0.75, 0.75, 0.75, 0.375, 0.375],
        [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0.5, 0.5],
    ),
    'basicsr.models.lr_scheduler.CosineAnnealingRestartLR.get_lr': ('raises TypeError', [1.0, 0.625, 0.25, 0.25, 0.25]),
    'basicsr.train.create_train_val_dataloader': ([6, False], [10, True]),
    'basicsr.train.parse_options': (['1e-4', True, False, True], [1e-4, False, False, False]),
    'basicsr.test.parse_options': (['1e-4', True, False, True], [1e-4, False, False, False]),
}

IMPORTS = """
import sys, pgtf_basicsr, basicsr, basicsr.data.degradations, torch
from pgtf_basicsr.data import VFHQDataset
from torchvision.ops import roi_align
if __name__ == '__main__':
    print('compiler', 'torch._dynamo' in sys.modules)
    ramp, boxes = torch.arange(64.).reshape(1, 1, 8, 8), torch.tensor([[0, 1., 1, 5, 5]])
    print('aligned', [round(x, 3) for x in roi_align(ramp, boxes, 2, aligned=True).flatten().tolist()])
    torch.use_deterministic_algorithms(True)
    print('aligned', [round(x, 3) for x in roi_align(ramp, boxes, 2, aligned=True).flatten().tolist()])
    compiled = torch.compile(lambda x: x + 1, backend='eager')
    print('compiled', compiled(ramp).sum().item(), torch._dynamo.utils.__file__ is None)
    dataset = VFHQDataset({'name': 'x', 'phase': 'train', 'dataroot_gt': 'datasets/sample/train/GT', 'gt_size': 32})
    loader = torch.utils.data.DataLoader(dataset, num_workers=1, multiprocessing_context='spawn')
    print('batch', tuple(next(iter(loader))['gt'].shape))
"""


@pytest.fixture(scope='module')
def outcomes(fresh, tmp_path_factory):
    """{stock, imported or mended: {case: what it does}}, each from a process of its own."""
    folders = {mode: tmp_path_factory.mktemp(mode) for mode in MODES}
    fresh.run([f'from tests.host import cases; cases.main({mode!r})' for mode in MODES], *folders.values())
    return {mode: json.loads((folder / 'found.json').read_text()) for mode, folder in folders.items()}


def test_every_mend_has_a_case():
    mends = {item.name for item in host.AT_IMPORT if item not in host.REMOVED_MODULES}
    assert mends == set(AT_IMPORT)
    assert {item.name for item in host.OWN_RUNS} == set(OWN_RUNS)
    assert set(CASES) == set(AT_IMPORT) | set(OWN_RUNS)


def is_fault(found, fault):
    """Errors of missing GPUs have other names with other builds of torch."""
    return found == fault or (fault == 'raises' and str(found).startswith('raises '))


def of_stock(name, fault, mended):
    """What the installed BasicSR does: its GitHub master has fewer faults than 1.4.2."""
    (mend,) = (item for item in (*host.AT_IMPORT, *host.OWN_RUNS) if item.name == name)
    return fault if mend.has_fault() else mended


@pytest.mark.parametrize('name', AT_IMPORT)
def test_what_keeps_basicsr_from_running_is_mended_by_the_import(outcomes, name):
    fault, mended = AT_IMPORT[name]
    assert is_fault(outcomes['stock'][name], of_stock(name, fault, mended))
    assert outcomes['imported'][name] == mended
    assert outcomes['mended'][name] == mended


@pytest.mark.parametrize('name', OWN_RUNS)
def test_what_changes_behaviour_is_mended_for_those_that_ask(outcomes, name):
    fault, mended = OWN_RUNS[name]
    assert outcomes['stock'][name] == outcomes['imported'][name] == of_stock(name, fault, mended)
    assert outcomes['mended'][name] == mended


ALIAS = 'from tests.host.cases import prepare; prepare("stock"); '


@pytest.mark.parametrize(
    'module, importer, stock',
    [
        ('torchvision.transforms.functional_tensor', 'basicsr.data.degradations', ''),
        # SciPy still has the one that it is going to drop: here it is taken away.
        ('scipy.ndimage.filters', 'basicsr.metrics.niqe', ALIAS),
    ],
)
def test_removed_modules_are_given_back(fresh, tmp_path, module, importer, stock):
    if module not in Path(basicsr.__path__[0], *importer.split('.')[1:]).with_suffix('.py').read_text():
        pytest.skip("BasicSR's GitHub master does not import it")
    gone = f'import scipy.ndimage, sys; sys.modules[{module!r}] = None; '
    (output,) = fresh.run(f'{stock}{gone}import {importer}', tmp_path, status=1)
    assert 'ModuleNotFoundError' in output and f'import of {module} halted' in output
    assert fresh.run(f'{gone}import pgtf_basicsr, {importer}', tmp_path) == ['']


def test_a_process_of_its_own(tmp_path):
    """Without a warning of this package's, and with data workers that are spawned and import it themselves.

    The compiler is imported when it is used.
    """
    write_data(tmp_path)
    (tmp_path / 'imports.py').write_text(IMPORTS)
    lines = run_basicsr(tmp_path, launch=('-W', 'error::DeprecationWarning:pgtf_basicsr', 'imports.py')).splitlines()
    # Of a ramp, bins of 2x2 pixels from (1, 1) on have the value at their middle, half a pixel before the whole number.
    middles = [8 * (y - 0.5) + x - 0.5 for y in (2, 4) for x in (2, 4)]
    assert lines == ['compiler False', *[f'aligned {middles}'] * 2, 'compiled 2080.0 False', 'batch (1, 3, 3, 32, 32)']


def test_a_compiler_that_is_there_is_left_alone(fresh, tmp_path):
    code = (
        'import sys; before = sys.modules["torch._dynamo"]; import pgtf_basicsr; '
        'print(sys.modules["torch._dynamo"] is before)'
    )
    assert fresh.run(code, tmp_path) == ['True\n']


@pytest.mark.parametrize(
    'text, value',
    [('1e-4', 1e-4), ('-2E+5', -2e5), ('1.5e3', 1500.0), ('12', 12), ('1e', '1e'), ('~', None), ('0.1', 0.1)],
)
def test_numbers_in_yaml(text, value):
    loaded = yaml.load(f'key: {text}', SafeLoader)['key']
    assert loaded == value and type(loaded) is type(value)


def test_yaml_merges_are_no_repeated_keys():
    assert yaml.load('a: &a {x: 1}\nb: {<<: *a, x: 2}', SafeLoader)['b'] == {'x': 2}


def test_package_metadata():
    from importlib.metadata import entry_points

    assert {'basicsr', 'pgtf'} <= {script.name for script in entry_points(group='console_scripts')}
    assert 'pgtf_basicsr' in {plugin.name for plugin in entry_points(group='basicsr.plugins')}


def test_mends_are_taken_back_after_the_run():
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    with host.mending():
        optimizer = BaseModel.get_optimizer(None, 'SGD', parameters, 1e-3, momentum=0.5)
        assert type(optimizer) is torch.optim.SGD and optimizer.defaults['momentum'] == 0.5
        with pytest.raises(UserError, match='torch.optim has no optimizer Adman'):
            BaseModel.get_optimizer(None, 'Adman', parameters, 1e-3)
    with pytest.raises(NotImplementedError):
        BaseModel.get_optimizer(None, 'NAdam', parameters, 1e-3)


def test_the_documentation_lists_every_mend():
    """docs/host.md has a row each: its name, its fault, and what is done about it."""
    tables = [rows_of(table) for table in (host.AT_IMPORT, host.OWN_RUNS)]
    written = re.findall(r'^\| `.*$', (ROOT / 'docs/host.md').read_text(encoding='utf-8'), re.MULTILINE)
    assert '\n'.join(written) == '\n'.join(row for table in tables for row in table)


def rows_of(table):
    for item in table:
        mended = 'It is given back where it is missing.'
        if item not in host.REMOVED_MODULES:
            mended = item.replacement.__doc__.splitlines()[0]
        name = item.name.removeprefix('basicsr.')
        yield f'| `{name}` | {item.fault} | {mended.replace("``", "`")} |'
