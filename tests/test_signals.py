"""SIGTERM and SIGHUP end every command as Ctrl-C does: nothing half-written stays, and the exit status is a shell's."""

import os
import resource
import signal
import time

import pytest

from pgtf_process import EndedBySignal, unwound_by_signals

from .helpers.downloads import CLIPS, frames_of, write_clip
from .helpers.processes import Run


def until(command, happened):
    """Wait for something while a command is at work."""
    end = time.monotonic() + 120
    while not happened():
        assert command.processes[0].is_alive() and time.monotonic() < end, command.output()
        command.wait(0.005)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_sample_data(tmp_path, number):
    command = Run(tmp_path, 'sample-data', 'data')
    until(command, lambda: list(tmp_path.glob('data/.partial/train/GT/*/*.png')))
    command.signal(number)
    assert command.statuses() == [128 + number]
    assert command.output().splitlines()[-1] == f'basicsr: ended by {signal.Signals(number).name}'
    assert list((tmp_path / 'data').iterdir()) == [] and 'Traceback' not in command.output()


def test_prepare_and_its_workers(tmp_path):
    """The signal comes to all of them, as from a terminal that is closed."""
    for seed, name in enumerate(CLIPS):
        write_clip(tmp_path / 'clips' / name, frames_of(0, length=20, seed=seed)[0])
        # Much to do, made in no time: the command must not be done before it is ended.
        for file in list((tmp_path / 'clips' / name).iterdir()):
            for copy in range(1, 60):
                os.link(file, file.with_name(f'{int(file.stem) + 20 * copy:08d}{file.suffix}'))
    command = Run(tmp_path, 'prepare', 'vfhq', 'clips', 'out', '--workers', 2, '--copy', before=os.setpgrp)
    until(command, lambda: (tmp_path / 'out' / 'prepare.json').exists())
    os.killpg(command.processes[0].pid, signal.SIGHUP)
    assert command.statuses() == [129], command.output()
    assert 'Traceback' not in command.output() and 'basicsr: ended by SIGHUP' in command.output()
    assert not (tmp_path / 'out' / '.prepare').exists()
    assert not [path for path in tmp_path.rglob('*') if 'partial' in path.name]


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """As nohup wants it."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with unwound_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            with pytest.raises(EndedBySignal) as end:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)
            assert end.value.code == 143
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_a_full_disk_ends_a_command_in_a_line(tmp_path):
    """The limit on a file's size stands for the end of the disk."""
    command = Run(tmp_path, 'sample-data', 'data', limits={resource.RLIMIT_FSIZE: 2**14})
    assert command.statuses() == [2]
    told = [line for line in command.output().splitlines() if line.startswith('basicsr: ')]
    assert len(told) == 1 and told[0].startswith('basicsr: cannot write ') and told[0].endswith(': File too large')
    assert list((tmp_path / 'data').iterdir()) == [] and 'Traceback' not in command.output()
