"""The plugin of docs/plugin.md, installed for real: each file and each command as the page has it."""

import os
import subprocess
import sys

from ..helpers.documents import blocks_of
from .test_commands import check_page, small_samples

PAGE = 'docs/plugin.md'


def test_plugin_page(tmp_path):
    files = {block.title: block.text for block in blocks_of(PAGE) if block.title}
    options = files['oldfilm.yml']
    for slow, quick in (('total_iter: 100', 'total_iter: 2'), ('val_freq: 100', 'val_freq: 2')):
        assert slow in options
        options = options.replace(slow, quick)
    for name, text in {**files, 'oldfilm.yml': options}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    install = ['pip', 'install', '--quiet', '--no-index', '--no-deps', '--no-build-isolation', '--target', 'installed']
    subprocess.run([sys.executable, '-m', *install, '.'], cwd=tmp_path, check=True, timeout=120)

    faults = check_page(PAGE, tmp_path, set(), before=find_plugin, PLUGIN_FOLDER=str(tmp_path / 'installed'))
    assert not faults, '\n\n'.join(faults)
    log = next((tmp_path / 'experiments' / 'oldfilm').glob('train_oldfilm_*.log')).read_text()
    assert 'exposure' in log and 'Loss [ExposureL1Loss] is created.' in log
    assert '| Exposure' in (tmp_path / 'results' / 'degraded' / 'metrics.md').read_text()


def find_plugin():
    """In the command's process: find what was installed, as in site-packages."""
    sys.path.insert(0, os.environ['PLUGIN_FOLDER'])
    small_samples()
