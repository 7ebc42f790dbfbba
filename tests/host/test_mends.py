"""BasicSR as it is installed works once the package has been imported."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from basicsr import train
from basicsr.data import build_dataloader
from basicsr.data.data_sampler import EnlargedSampler
from basicsr.models.base_model import BaseModel

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.safe_yaml import SafeLoader
from pgtf_basicsr.training.epochs import loaders_from

from ..helpers.quickstart import basicsr, stage_options, write_data

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


@pytest.mark.parametrize(
    'entry',
    [
        'train:total_iter=[__import__("pathlib").Path("hacked").touch()]',
        'train"][__import__("pathlib").Path("hacked").touch()]:x=1',
        'val:metrics=!!python/object/apply:os.mkdir [hacked]',
    ],
)
def test_force_yml_is_not_evaluated_in_other_programs_either(tmp_path, monkeypatch, entry):
    """Those that call BasicSR's pipelines themselves read its command line."""
    (tmp_path / 'x.yml').write_text(yaml.safe_dump(stage_options(1)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['train.py', '-opt', 'x.yml', '--force_yml', entry])
    try:
        opt, _ = train.parse_options(str(tmp_path))
    except UserError:
        pass
    else:
        assert opt['train']['total_iter'] == ['__import__("pathlib").Path("hacked").touch()']
    assert not (tmp_path / 'hacked').exists()


def test_sampler_tells_the_dataset_the_epoch():
    class Dataset(list):
        def set_epoch(self, epoch):
            self.epoch = epoch

    dataset = Dataset(range(4))
    EnlargedSampler(dataset, 1, 0).set_epoch(7)
    assert dataset.epoch == 7


def test_package_metadata():
    from importlib.metadata import entry_points

    assert {'basicsr', 'pgtf'} <= {script.name for script in entry_points(group='console_scripts')}
    assert 'pgtf_basicsr' in {plugin.name for plugin in entry_points(group='basicsr.plugins')}


def test_average_of_weights_takes_buffers_over():
    """In BasicSR statistics of BatchNorm stay in the averaged network as they were initialised."""
    model = SimpleNamespace(
        net_g=torch.nn.BatchNorm1d(2), net_g_ema=torch.nn.BatchNorm1d(2), get_bare_model=lambda net: net
    )
    torch.nn.init.constant_(model.net_g.weight, 3.0)
    model.net_g(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    BaseModel.model_ema(model, decay=0.75)
    assert torch.equal(model.net_g_ema.running_var, model.net_g.running_var)
    assert torch.equal(model.net_g_ema.weight, torch.full((2,), 0.75 * 1 + 0.25 * 3))


def test_models_of_basicsr_take_any_optimizer_of_torch():
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = BaseModel.get_optimizer(None, 'AdamW', parameters, 1e-3, weight_decay=0.1)
    assert type(optimizer) is torch.optim.AdamW and optimizer.defaults['weight_decay'] == 0.1
    with pytest.raises(UserError, match='torch.optim has no optimizer Adman'):
        BaseModel.get_optimizer(None, 'Adman', parameters, 1e-3)


def test_workers_of_basicsr_draw_anew_in_every_epoch():
    """The same in the same epoch of the same seed, others in another epoch, though NumPy's generator is global."""

    def draws(seed, epochs):
        dataset = Draws()
        sampler = EnlargedSampler(dataset, 1, 0)
        opt = {'phase': 'train', 'batch_size_per_gpu': 1, 'num_worker_per_gpu': 2}
        loader = build_dataloader(dataset, opt, num_gpu=0, sampler=sampler, seed=seed)
        (loader, *_), _ = loaders_from(
            lambda opt, logger: (loader, sampler, [], None, 8),
            {'datasets': {'train': opt}, 'manual_seed': seed, 'world_size': 1},
            None,
        )
        values = []
        for epoch in epochs:
            sampler.set_epoch(epoch)
            values.append([float(value) for value in loader])
        return values

    first, second = draws(5, [0, 1])
    assert set(first).isdisjoint(second)
    assert draws(5, [1]) == [second]
    assert set(draws(6, [0])[0]).isdisjoint(first)


class Draws(torch.utils.data.Dataset):
    """A data set as many are: it draws from NumPy's global generator."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return np.random.rand()
