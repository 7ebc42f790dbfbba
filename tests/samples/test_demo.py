"""The demo: that its steps are commands as they are typed, and how it ends when one of them fails or is interrupted."""

import argparse
import importlib
import os
import signal
import time

import pytest

from pgtf_basicsr.config.packaged.files import packaged_files
from pgtf_basicsr.samples.demo.command import STEPS
from pgtf_command import COMMANDS

from ..helpers.processes import Run, run


@pytest.mark.parametrize('step', STEPS)
def test_steps_are_commands(step):
    command, *arguments = step.split()
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[command][1]).add_arguments(parser)
    args = parser.parse_args(arguments)
    assert getattr(args, 'opt', None) is None or args.opt in packaged_files()


def test_a_failing_step_is_named(tmp_path):
    (tmp_path / 'demo/datasets/sample').mkdir(parents=True)
    (tmp_path / 'demo/datasets/sample/of_mine.txt').write_text('')
    output = run(tmp_path, 'demo', 'demo', status=2)
    assert f'Writes datasets/, experiments/, tb_logger/ and results/ in {tmp_path / "demo"}\n' in output
    assert output.endswith(
        '\n[1/11] basicsr sample-data datasets/sample\n'
        'basicsr: datasets/sample is not empty and holds no sample data; name a new or empty folder\n'
        'basicsr: the demo ends at step 1 of 11, which ended with status 2: sample-data datasets/sample\n'
    )
    assert os.listdir(tmp_path / 'demo') == ['datasets']


def test_ctrl_c_ends_it_with_its_step(tmp_path):
    """As in a terminal, which sends it to all processes."""
    demo = Run(tmp_path, 'demo', before=os.setsid)
    demo.wait_for('[1/11]')
    while not (tmp_path / 'pgtf_demo/datasets/sample').exists() and demo.processes[0].is_alive():
        time.sleep(0.01)
    group = demo.processes[0].pid
    os.killpg(group, signal.SIGINT)
    assert demo.statuses() == [130]
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    assert '[2/11]' not in demo.output() and 'Traceback' not in demo.output() and 'ends at' not in demo.output()
