"""A training that meets broken files: it ends with a line that names them, or skips and counts them in its log."""

import re
import shutil

import pytest

from ..helpers.processes import run
from ..helpers.quickstart import stage_options, write_options

BROKEN = 'GT/collins_000/00000002.png'


@pytest.fixture
def project(tmp_path, trained_project):
    """Sample data of which a frame is cut off."""
    shutil.copytree(trained_project / 'datasets', tmp_path / 'datasets')
    path = tmp_path / 'datasets/sample/train' / BROKEN
    path.write_bytes(path.read_bytes()[:100])
    return tmp_path


def options(project, **changes):
    return write_options(
        project,
        stage_options(
            1,
            **{'datasets:train:num_frame': 3, 'train:total_iter': 4, 'datasets:train:num_worker_per_gpu': 1, **changes},
        ),
    )


@pytest.mark.parametrize('prefetch', [None, 'cpu'])
@pytest.mark.parametrize('workers', [0, 1])
def test_a_run_stops_and_names_clip_and_file(project, workers, prefetch):
    written = run(
        project,
        'train',
        '-opt',
        options(project, **{'datasets:train:num_worker_per_gpu': workers, 'datasets:train:prefetch_mode': prefetch}),
        status=2,
    )
    told = [line for line in written.splitlines() if line.startswith('basicsr: ')]
    assert len(told) == 1 and re.search(rf'image .*{BROKEN} \(100 bytes\) is not a whole image', told[0])
    assert 'Traceback' not in written


@pytest.mark.parametrize('world_size', [1, 2])
def test_a_run_goes_on_and_counts_what_it_skipped(project, world_size):
    run(project, 'train', '-opt', options(project, **{'datasets:train:broken_data': 'skip'}), world_size=world_size)
    log = next((project / 'experiments/quickstart_stage1').glob('train_*.log')).read_text()
    counts = re.findall(rf'ERROR: Skipped.*{BROKEN}.*\((\d+) skipped by this process so far\)', log)
    assert counts and counts == [str(number) for number in range(1, len(counts) + 1)]
    assert 'iter:       4' in log and (project / 'experiments/quickstart_stage1/models/net_g_latest.pth').exists()
