"""BasicSR as it is installed works once the package has been imported."""
import pytest
import yaml
from basicsr.data.data_sampler import EnlargedSampler

from pgtf_basicsr.compat import SafeLoader

from .quickstart import basicsr, write_data

SPAWNED_WORKERS = '''
import torch, pgtf_basicsr
from pgtf_basicsr.data import VFHQDataset
if __name__ == '__main__':
    dataset = VFHQDataset({'name': 'x', 'phase': 'train', 'dataroot_gt': 'datasets/sample/train/GT', 'gt_size': 32})
    loader = torch.utils.data.DataLoader(dataset, num_workers=1, multiprocessing_context='spawn')
    print('batch', tuple(next(iter(loader))['gt'].shape))
'''


@pytest.mark.parametrize('order', [
    'import pgtf_basicsr, basicsr', 'import pgtf_basicsr; import basicsr.data.degradations'])
def test_imports(order, tmp_path):
    assert basicsr(tmp_path, launch=('-W', 'error::DeprecationWarning:pgtf_basicsr', '-c', order)) == ''


def test_spawned_workers(tmp_path):
    write_data(tmp_path)
    (tmp_path / 'workers.py').write_text(SPAWNED_WORKERS)
    assert 'batch (1, 3, 3, 32, 32)' in basicsr(tmp_path, launch=('workers.py',))


@pytest.mark.parametrize('text, value', [
    ('1e-4', 1e-4), ('-2E+5', -2e5), ('1.5e3', 1500.0), ('12', 12), ('1e', '1e'), ('~', None), ('0.1', 0.1)])
def test_numbers_in_yaml(text, value):
    loaded = yaml.load(f'key: {text}', SafeLoader)['key']
    assert loaded == value and type(loaded) is type(value)


def test_yaml_merges_are_no_repeated_keys():
    assert yaml.load('a: &a {x: 1}\nb: {<<: *a, x: 2}', SafeLoader)['b'] == {'x': 2}


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
