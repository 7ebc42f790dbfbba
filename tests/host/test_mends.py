"""BasicSR's faults, shown in the stock host, and that each is mended where the table says so and nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from basicsr.models.base_model import BaseModel

from pgtf_basicsr import host
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.safe_yaml import SafeLoader

from ..helpers.quickstart import ROOT, basicsr, write_data
from .cases import CASES

# {mend: what the stock host does, what it does once it is mended}; see `cases`.
AT_IMPORT = {
    'basicsr.utils.dist_util.init_dist': ('raises ZeroDivisionError', 'gloo'),
    'basicsr.utils.options.init_dist': ('raises ZeroDivisionError', 'gloo'),
    'basicsr.models.base_model.BaseModel.model_to_device': ('raises', 'DistributedDataParallel'),
    # PSNR of 0.5 against 0.6, as uint8: 20 log10(255 / 25).
    'basicsr.models.video_base_model.VideoBaseModel.dist_validation': ('raises', [20.17, 20.17]),
    'basicsr.models.video_recurrent_model.VideoRecurrentModel.dist_validation': ('raises', [20.17, 20.17]),
    'basicsr.models.video_recurrent_model.VideoRecurrentModel.feed_data': ([2, 3, 8, 8], [1, 2, 3, 8, 8]),
    'basicsr.train.load_resume_state': ('raises', [[4, 'models/net_g_4.pth'], [12, 'models/net_g_12.pth'], None]),
    'basicsr.data.prefetch_dataloader.PrefetchDataLoader.__iter__': ([0, 'hangs'], [0, 'ValueError']),
    'basicsr.data.data_sampler.EnlargedSampler.set_epoch': ([None, None], [7, None]),
}
OWN_RUNS = {
    'basicsr.models.base_model.BaseModel.get_optimizer': ('raises NotImplementedError', ['AdamW', 0.1]),
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

SPAWNED_WORKERS = """
import torch, pgtf_basicsr
from pgtf_basicsr.data import VFHQDataset
if __name__ == '__main__':
    dataset = VFHQDataset({'name': 'x', 'phase': 'train', 'dataroot_gt': 'datasets/sample/train/GT', 'gt_size': 32})
    loader = torch.utils.data.DataLoader(dataset, num_workers=1, multiprocessing_context='spawn')
    print('batch', tuple(next(iter(loader))['gt'].shape))
"""

ALIGNMENT = """
import sys, pgtf_basicsr, torch
from torchvision.ops import roi_align
assert 'torch._dynamo' not in sys.modules
ramp, boxes = torch.arange(64.).reshape(1, 1, 8, 8), torch.tensor([[0, 1., 1, 5, 5]])
print([round(x, 3) for x in roi_align(ramp, boxes, 2, aligned=True).flatten().tolist()])
torch.use_deterministic_algorithms(True)
print([round(x, 3) for x in roi_align(ramp, boxes, 2, aligned=True).flatten().tolist()])
print(torch.compile(lambda x: x + 1, backend='eager')(ramp).sum().item(), torch._dynamo.utils.__file__ is None)
"""


@pytest.fixture(scope='module')
def outcomes():
    """{stock, imported or mended: {case: what it does}}, each from a process of its own."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    processes = {
        mode: subprocess.Popen(
            [sys.executable, Path(__file__).with_name('cases.py'), mode],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for mode in ('stock', 'imported', 'mended')
    }
    written = {mode: process.communicate(timeout=300) for mode, process in processes.items()}
    assert all(output for output, _ in written.values()), written
    return {mode: json.loads(output) for mode, (output, _) in written.items()}


def test_every_mend_has_a_case():
    mends = {item.name for item in host.AT_IMPORT if item not in host.REMOVED_MODULES}
    assert mends == set(AT_IMPORT)
    assert {item.name for item in host.OWN_RUNS} == set(OWN_RUNS)
    assert set(CASES) == set(AT_IMPORT) | set(OWN_RUNS)


def is_fault(found, fault):
    """Errors of missing GPUs have other names with other builds of torch."""
    return found == fault or (fault == 'raises' and str(found).startswith('raises '))


@pytest.mark.parametrize('name', AT_IMPORT)
def test_what_keeps_basicsr_from_running_is_mended_by_the_import(outcomes, name):
    fault, mended = AT_IMPORT[name]
    assert is_fault(outcomes['stock'][name], fault)
    assert outcomes['imported'][name] == mended
    assert outcomes['mended'][name] == mended


@pytest.mark.parametrize('name', OWN_RUNS)
def test_what_changes_behaviour_is_mended_for_those_that_ask(outcomes, name):
    fault, mended = OWN_RUNS[name]
    assert outcomes['stock'][name] == fault
    assert outcomes['imported'][name] == fault
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
def test_removed_modules_are_given_back(tmp_path, module, importer, stock):
    gone = f'import scipy.ndimage, sys; sys.modules[{module!r}] = None; '
    output = basicsr(tmp_path, launch=('-c', f'{stock}{gone}import {importer}'), status=1)
    assert 'ModuleNotFoundError' in output and f'import of {module} halted' in output
    assert basicsr(tmp_path, launch=('-c', f'{gone}import pgtf_basicsr, {importer}')) == ''


@pytest.mark.parametrize(
    'order', ['import pgtf_basicsr, basicsr', 'import pgtf_basicsr; import basicsr.data.degradations']
)
def test_imports(order, tmp_path):
    assert basicsr(tmp_path, launch=('-W', 'error::DeprecationWarning:pgtf_basicsr', '-c', order)) == ''


def test_the_compiler_is_imported_when_it_is_used(tmp_path):
    # Of a ramp, bins of 2x2 pixels from (1, 1) on have the value at their middle, half a pixel before the whole number.
    middles = [8 * (y - 0.5) + x - 0.5 for y in (2, 4) for x in (2, 4)]
    assert basicsr(tmp_path, launch=('-c', ALIGNMENT)).splitlines() == [str(middles)] * 2 + ['2080.0 False']


@pytest.mark.parametrize('first', ['torchvision', 'torch._dynamo'])
def test_a_compiler_that_is_there_is_left_alone(tmp_path, first):
    code = (
        f'import sys, {first}; before = sys.modules["torch._dynamo"]; import pgtf_basicsr; '
        'print(sys.modules["torch._dynamo"] is before)'
    )
    assert basicsr(tmp_path, launch=('-c', code)) == 'True\n'


def test_spawned_workers(tmp_path):
    write_data(tmp_path)
    (tmp_path / 'workers.py').write_text(SPAWNED_WORKERS)
    assert 'batch (1, 3, 3, 32, 32)' in basicsr(tmp_path, launch=('workers.py',))


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
        BaseModel.get_optimizer(None, 'AdamW', parameters, 1e-3)
