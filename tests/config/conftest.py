"""A folder to check the shipped option files in."""

import pytest

from ..helpers import stand_ins


@pytest.fixture(scope='session')
def stand_in_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('stand_ins')
    stand_ins.make(folder)
    return folder


@pytest.fixture
def project(stand_in_folder, monkeypatch):
    """The current folder: files that the shipped option files name exist here, empty."""
    monkeypatch.chdir(stand_in_folder)
    return stand_in_folder
