"""What the tests of whole runs start from."""

import pytest

from ..helpers.quickstart import write_data


@pytest.fixture
def project(tmp_path):
    """An empty folder with sample data."""
    write_data(tmp_path)
    return tmp_path
