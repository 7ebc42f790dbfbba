"""Programs of other projects, in processes that start in a moment, as those of the command do."""

import os
import runpy
import sys
import tempfile
from pathlib import Path

from .processes import CONTEXT


def run_program(folder, program, *arguments):
    """Run ``python PROGRAM ARGUMENTS`` in ``folder`` to its end and return what it wrote; it must succeed."""
    output = Path(tempfile.mkdtemp()) / 'output.txt'
    process = CONTEXT.Process(target=_run, args=(folder, program, list(map(str, arguments)), output))
    process.start()
    process.join(300)
    written = output.read_text()
    assert process.exitcode == 0, f'{written[-3000:]}\nexit status {process.exitcode}'
    return written


def _run(folder, program, arguments, output):
    os.chdir(folder)
    with open(output, 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = [program, *arguments]
    sys.path.insert(0, str(folder))
    runpy.run_path(program, run_name='__main__')
