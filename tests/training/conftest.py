"""A project in which short runs of the quickstart start in a moment."""
import pytest

from ..quickstart import stage_options, write_data, write_options
from .processes import run


@pytest.fixture(scope='session')
def trained_project(tmp_path_factory):
    """A folder with sample data in which the four stages have been trained for two iterations each."""
    folder = tmp_path_factory.mktemp('project')
    write_data(folder)
    for stage in (1, 2, 3, 4):
        run(folder, 'train', '-opt', write_options(folder, stage_options(stage), f'stage{stage}.yml'))
    return folder


@pytest.fixture
def project(tmp_path):
    """An empty folder with sample data."""
    write_data(tmp_path)
    return tmp_path
