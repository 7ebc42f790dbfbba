"""What wheel and sdist carry, built from the files under version control, and that the wheel needs nothing else."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .helpers.quickstart import ROOT

OPTIONS = {f'pgtf_basicsr/{path.relative_to(ROOT)}' for path in ROOT.glob('options/**/*.yml')}


def run(*arguments, folder=ROOT, **environment):
    done = subprocess.run(
        arguments, cwd=folder, env={**os.environ, **environment}, text=True, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope='module')
def tracked():
    """All files under version control, as they are in the working tree."""
    if not (ROOT / '.git').exists():
        pytest.skip('not a checkout')
    return [name for name in run('git', 'ls-files', '-z').split('\0') if name]


@pytest.fixture(scope='module')
def built(tracked, tmp_path_factory):
    """A folder with sdist/, wheel/, which is built of that, and direct/, a wheel built of the checkout."""
    folder = tmp_path_factory.mktemp('built')
    for name in tracked:
        copy = folder / 'source' / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    for arguments in (['-o', 'dist'], ['-o', 'direct', '--wheel']):
        run(sys.executable, '-m', 'build', '--no-isolation', *arguments, 'source', folder=folder)
    return folder


def wheel(folder):
    """Contents of the one wheel in a folder, {name: bytes}, without those that pip looks at alone."""
    (path,) = folder.glob('*.whl')
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if '.dist-info/' not in name}


def test_wheel_holds_the_package_with_its_option_files(tracked, built):
    files = wheel(built / 'dist')
    package = {name for name in tracked if name.startswith('pgtf_') and name != 'pgtf_basicsr/options'}
    assert len(OPTIONS) >= 14 and set(files) == package | OPTIONS
    assert all(content == (ROOT / name).read_bytes() for name, content in files.items())


def test_wheels_of_checkout_and_sdist_are_the_same(built):
    assert wheel(built / 'direct') == wheel(built / 'dist')


def test_sdist_holds_all_that_tests_need(tracked, built):
    (path,) = (built / 'dist').glob('*.tar.gz')
    with tarfile.open(path) as archive:
        names = {member.name.partition('/')[2] for member in archive if member.isfile()}
    made = {name for name in names if name.startswith('pgtf_basicsr.egg-info/')} | {'PKG-INFO'}
    not_needed = {'.ci/run', '.gitignore', 'pgtf_basicsr/options'}
    assert names - made == set(tracked) - not_needed | OPTIONS


def test_an_installed_wheel_knows_its_option_files(built, tmp_path):
    (path,) = (built / 'dist').glob('*.whl')
    site = tmp_path / 'site'
    run(sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index', '--target', site, path)
    program = (
        'import importlib.resources, pgtf_command\n'
        'print(importlib.resources.files("pgtf_basicsr") / "options/quickstart/stage3.yml")\n'
        'pgtf_command.run_command(["options"])\n'
    )
    (tmp_path / 'empty').mkdir()
    found, *listed = run(sys.executable, '-c', program, folder=tmp_path / 'empty', PYTHONPATH=str(site)).splitlines()
    assert Path(found) == site / 'pgtf_basicsr/options/quickstart/stage3.yml' and Path(found).is_file()
    assert {f'pgtf_basicsr/options/{line.split()[0]}' for line in listed} == OPTIONS
