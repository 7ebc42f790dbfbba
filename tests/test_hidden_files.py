"""Folders that macOS and Jupyter have been in: their files are no frames, no clips and no videos, in any command."""

import json
import shutil
import tarfile

import pytest

from pgtf_basicsr.data import CelebAMaskHQDataset
from pgtf_basicsr.data.storage import open_storage
from pgtf_basicsr.samples.sample_data import write_sample_data
from pgtf_command import run_command

from .helpers.downloads import tree
from .helpers.litter import litter
from .helpers.processes import run
from .helpers.quickstart import stage_options, write_data, write_labelled_data, write_options
from .helpers.storages import write_lmdb, write_videos


@pytest.fixture(scope='module')
def clean(tmp_path_factory):
    """Sample data as written."""
    folder = tmp_path_factory.mktemp('clean')
    write_data(folder)
    return folder / 'datasets' / 'sample'


@pytest.fixture
def project(clean, tmp_path):
    """Sample data with litter in every folder."""
    data = shutil.copytree(clean, tmp_path / 'datasets' / 'sample')
    assert litter(data) > 100
    return tmp_path


def test_training_and_validation(project):
    """Every frame of every clip is drawn; a window with a hidden file in it would end the run."""
    options = stage_options(1, **{'datasets:train:windows_per_clip': 8, 'val:save_img': False})
    output = run(project, 'train', '-opt', write_options(project, options))
    assert (project / 'experiments/quickstart_stage1/models/net_g_latest.pth').exists(), output


def test_storages_list_what_they_listed_before(clean, project, tmp_path):
    gt, littered = clean / 'train' / 'GT', project / 'datasets' / 'sample' / 'train' / 'GT'
    database, videos = write_lmdb(littered, tmp_path / 'GT.lmdb'), write_videos(gt, tmp_path / 'videos')
    litter(videos)
    expected = open_storage(gt, 'dataroot_gt').list_clips()
    assert len(expected) == 2
    for root in (littered, videos, database):
        found = open_storage(root, 'dataroot_gt').list_clips()
        assert [(clip.name, clip.num_frames) for clip in found] == [(clip.name, clip.num_frames) for clip in expected]
    names = [open_storage(root, 'dataroot_gt').open(expected[0]).names for root in (gt, littered)]
    assert names[0] == names[1]


def test_parsing_datasets(tmp_path):
    write_labelled_data(tmp_path)
    root = next(path.parent for path in tmp_path.rglob('CelebA-HQ-img'))
    options = dict(type='CelebAMaskHQDataset', name='x', phase='val', dataroot=str(root), size=32)
    before = len(CelebAMaskHQDataset(dict(options)))
    litter(root)
    assert len(CelebAMaskHQDataset(dict(options))) == before > 0


def test_evaluate_and_compare(clean, project, monkeypatch):
    """Folders of frames and of videos; the folder of results may have been looked at as well."""
    monkeypatch.chdir(project)
    scores = {}
    for name, root in ('clean', clean), ('littered', project / 'datasets' / 'sample'):
        for kind in ('GT', 'degraded'):
            out = project / f'{name}_{kind}'
            out.mkdir()
            (out / '.DS_Store').write_bytes(b'')
            command = ['evaluate', '--metrics', 'flicker', '--restored', str(root / 'test' / kind), '-o', str(out)]
            assert run_command(command) == 0
            litter(out)
            scores[name, kind] = json.loads(next(out.glob('metrics_*.json')).read_text())['mean']
    assert run_command(['compare', 'clean_GT', 'littered_GT', '-o', 'compared']) == 0
    for kind in ('GT', 'degraded'):
        assert scores['clean', kind] == scores['littered', kind] != {}


def test_prepare_of_folders_archives_and_into_a_folder_that_finder_opened(clean, project, tmp_path):
    data = project / 'datasets' / 'sample' / 'train'
    with tarfile.open(tmp_path / 'clips.tar', 'w') as archive:
        archive.add(data / 'GT', 'clips')
    made = {}
    for name, source in ('clean', clean / 'train' / 'GT'), ('folder', data / 'GT'), ('tar', tmp_path / 'clips.tar'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '.DS_Store').write_bytes(b'')
        landmarks = ['--landmarks', clean / 'train' / 'landmarks', '--min-length', 3, '--workers', 1, '--copy']
        assert run_command(['prepare', 'vfhq', *map(str, [source, tmp_path / name, *landmarks])]) == 0
        report = tmp_path / name / 'left_out.txt'
        assert 'ipynb' not in report.read_text() and 'MACOSX' not in report.read_text()
        made[name] = {path: data for path, data in tree(tmp_path / name).items() if '/GT/' in f'/{path}'}
    assert made['clean'] == made['folder'] == made['tar'] and made['clean']
    litter(tmp_path / 'folder')
    assert run_command(['prepare', 'check', str(tmp_path / 'folder')]) == 0


def test_sample_data_replaces_a_folder_that_finder_opened(tmp_path):
    for _ in range(2):
        litter(tmp_path)
        summary = write_sample_data(tmp_path, clips=1, test_clips=1, clip_frames=3, size=32, video_size=32)
        assert (summary.train_clips, summary.test_clips, summary.clip_frames) == (1, 1, 3)
