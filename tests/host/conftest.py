import pytest

from .fresh_processes import FreshProcesses


@pytest.fixture(scope='session')
def fresh():
    """Runs programs in processes that have imported neither this package nor BasicSR."""
    processes = FreshProcesses()
    yield processes
    processes.close()
