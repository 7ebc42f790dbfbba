"""What holds for tests on a GPU.

With ``GPU_TESTS_DEVICE=cpu`` most of them run on the CPU against itself: a rehearsal for who writes them without a GPU.
"""

import os

import pytest
import torch

DEVICE = torch.device(os.environ.get('GPU_TESTS_DEVICE', 'cuda'))


@pytest.fixture(autouse=True, scope='session')
def device():
    """The GPU, whose arithmetic in fp32 is that of fp32."""
    if DEVICE.type == 'cuda' and not torch.cuda.is_available():
        pytest.skip('there is no GPU')
    allowed = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield DEVICE
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allowed


@pytest.fixture(autouse=True)
def same_algorithms(monkeypatch):
    """Runs of BasicSR let cuDNN choose algorithms by their speed: not beyond their test."""
    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', False)


@pytest.fixture
def gpu(device):
    """The GPU, for tests that mean nothing on a CPU."""
    if device.type != 'cuda':
        pytest.skip('a rehearsal on the CPU')
    return device


@pytest.fixture(scope='session')
def num_gpu(device):
    """The option of a run on the device."""
    return int(device.type == 'cuda')


@pytest.fixture
def measured(record_property):
    """A function that notes a figure for the summary; at the end the test fails if any has missed its bound."""
    missed = []

    def note(name, value, at_least=None, at_most=None):
        kept = value >= at_least if at_most is None else value <= at_most
        bound = f'at least {at_least:g}' if at_most is None else f'at most {at_most:g}'
        record_property('figure', f'{name} {value:.4g} ({bound})')
        if not kept:
            missed.append(f'{name}: {value:.4g} is not {bound}')

    yield note
    assert missed == []


def pytest_terminal_summary(terminalreporter):
    """Show the figures: they say how far a bound is."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, 'when', None) == 'call':
                figures = [value for name, value in report.user_properties if name == 'figure']
                if figures:
                    terminalreporter.write_line(f'{report.nodeid.rpartition("/")[2]}: {", ".join(figures)}')
