"""Files behind metrics: found in the usual places, fetched only if allowed, reported before a test if missing."""

import inspect

import pytest
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from pgtf_basicsr import metrics
from pgtf_basicsr.devices import find_device
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.landmarks import landmark_backend
from pgtf_basicsr.metrics import backends
from pgtf_basicsr.network_files import NetworkFile

FILES = {
    'calculate_lpips': 'vgg16-397923af.pth',
    'calculate_deg': 'recognition_arcface_ir_se50.pth',
    'calculate_identity_consistency': 'recognition_arcface_ir_se50.pth',
    'calculate_lmd': 'alignment_WFLW_4HG.pth',
    'calculate_tlme': 'alignment_WFLW_4HG.pth',
    'calculate_landmark_jitter': 'alignment_WFLW_4HG.pth',
    'calculate_fvd': 'i3d_torchscript.pt',
}


def test_registered_under_their_names():
    names = [name for name in metrics.__all__ if name.startswith('calculate_')]
    assert {*FILES, 'calculate_flicker', 'calculate_msrl'} <= set(names)
    for name in names:
        assert METRIC_REGISTRY.get(name) is getattr(metrics, name)


@pytest.mark.parametrize('name', FILES)
def test_a_missing_file_is_reported_before_a_test_starts(name, nowhere):
    label_of = METRIC_REGISTRY.get(name).specification.label
    with pytest.raises(UserError) as error:
        label_of(better='lower', channel_order='rgb')
    assert f'{FILES[name]} is missing' in str(error.value) and '`weights`' in str(error.value)
    assert str(nowhere / FILES[name]) in str(error.value) and '`download: true`' in str(error.value)
    with pytest.raises(UserError, match='weights: there is no file elsewhere.pth .looked for /'):
        label_of(weights='elsewhere.pth')


@pytest.mark.parametrize('name', FILES)
def test_a_file_in_the_usual_places_or_in_the_options_is_enough(name, nowhere, tmp_path):
    label_of = METRIC_REGISTRY.get(name).specification.label
    nowhere.mkdir(parents=True)
    (nowhere / FILES[name]).touch()
    backend = label_of()
    assert backend.of_paper and backend.label
    assert label_of(weights=str(nowhere / FILES[name])) == backend


def test_where_files_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    file = NetworkFile('net.pth', 'https://example.org/net.pth')
    weights, facexlib, hub = file.places()
    assert weights == tmp_path / 'weights' / 'net.pth'
    assert facexlib.parts[-3:] == ('facexlib', 'weights', 'net.pth')
    assert hub.parts[-2:] == ('checkpoints', 'net.pth')
    weights.parent.mkdir()
    weights.touch()
    assert file.find() == weights


def test_nothing_is_fetched_unless_allowed(nowhere, monkeypatch):
    fetched = []

    def fetch(url, path, hash_prefix, progress):
        fetched.append((url, hash_prefix))
        open(path, 'w').close()

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fetch)
    with pytest.raises(UserError):
        metrics.calculate_lpips.specification.label()
    assert not fetched
    metrics.calculate_lpips.specification.label(download=True)
    metrics.calculate_lpips.specification.label(download=True)
    assert fetched == [('https://download.pytorch.org/models/vgg16-397923af.pth', '397923af')]


def test_a_failed_download_is_reported(nowhere, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError('no route to host')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fail)
    with pytest.raises(UserError, match='https://github.com/.* cannot be fetched into .*: no route to host'):
        metrics.calculate_lmd.specification.label(download=True)


def test_dlib_is_asked_for_by_its_extra(nowhere, monkeypatch):
    monkeypatch.setattr('pgtf_basicsr.faces.dlib_models.package_folder', lambda name: None)
    for label_of, options in (
        (metrics.calculate_lmd.specification.label, {'landmarks': 'dlib'}),
        (metrics.calculate_deg.specification.label, {'identity': 'dlib'}),
    ):
        with pytest.raises(UserError, match=r'dlib needs .* pip install "pgtf-basicsr\[offline-metrics\]"'):
            label_of(**options)


def test_what_needs_no_file_is_there_and_labelled(nowhere):
    backend = metrics.calculate_lmd.specification.label(landmarks='centerface')
    assert not backend.of_paper and backend.label == "CenterFace, 5 landmarks, not the paper's"


def test_accumulators_take_the_options_of_a_file(nowhere):
    options = {'type': 'calculate_tlme', 'better': 'lower', 'landmarks': 'centerface', 'channel_order': 'rgb'}
    for name in ('calculate_flicker', 'calculate_landmark_jitter', 'calculate_lmd', 'calculate_msrl', 'calculate_tlme'):
        accumulator = METRIC_REGISTRY.get(name).specification.accumulator(**options)
        assert callable(accumulator.update) and callable(accumulator.compute)


def test_defaults_of_functions_in_specifications_are_those_of_metrics():
    loaders = {
        'calculate_deg': backends.identity_backend,
        'calculate_lmd': landmark_backend,
        'calculate_fvd': backends.video_feature_backend,
    }
    for name in FILES:
        metric = METRIC_REGISTRY.get(name)
        defaults = {key: value.default for key, value in inspect.signature(metric).parameters.items()}
        specification = metric.specification
        functions = [specification.label, specification.accumulator, specification.of_options, loaders.get(name)]
        for function in filter(None, functions):
            for key, parameter in inspect.signature(function).parameters.items():
                if parameter.kind is not parameter.VAR_KEYWORD:
                    assert defaults[key] == parameter.default, (name, key)


def test_devices():
    assert find_device('cpu').type == 'cpu'
    if not torch.cuda.is_available():
        assert find_device('auto').type == 'cpu'
        with pytest.raises(UserError, match='there is no device cuda here: use cpu'):
            find_device('cuda')
