"""Processes that have imported neither this package nor BasicSR, forked off one that has imported their libraries.

What takes time is to import torch and the like; what is tested is what happens when BasicSR and this package follow.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
import traceback
import types
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    'av',
    'cv2',
    'einops',
    'lmdb',
    'lpips',
    'mmengine',
    'pydantic',
    'scipy.ndimage',
    'scipy.stats',
    'skimage.metrics',
    'torch.utils.data',
    'torch._dynamo',
    'torchvision',
    'tqdm',
    'yaml',
)
OUTPUT = 'output.txt'


class FreshProcesses:
    """Runs programs, as many as are given at the same time.

    The server's own output is the statuses; a program's goes to a file in its folder.
    """

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'CUDA_VISIBLE_DEVICES': ''},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, code, *folders, arguments=(), status=0):
        """Run a program in each of some folders, at once; returns what each of them wrote.

        Args:
            code (str | list[str]): One program for all folders, or one for each.
            folders (Path): Where they run.
            arguments (list): Of their command lines.
            status (int): Exit status that they must have.
        """
        programs = [code] * len(folders) if isinstance(code, str) else code
        jobs = [(str(folder), program, [*map(str, arguments)]) for folder, program in zip(folders, programs)]
        self._server.stdin.write(json.dumps(jobs) + '\n')
        self._server.stdin.flush()
        statuses = json.loads(self._server.stdout.readline())
        outputs = [(folder / OUTPUT).read_text() for folder in folders]
        assert statuses == [status] * len(folders), '\n'.join([str(statuses), *(text[-3000:] for text in outputs)])
        return outputs

    def close(self):
        self._server.stdin.close()
        self._server.wait()


def serve():
    """Run the programs of each line of standard input, and write a line with their exit statuses."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        children = [fork(*job) for job in json.loads(line)]
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        sys.stdout.write(json.dumps(statuses) + '\n')
        sys.stdout.flush()


def fork(folder, code, arguments):
    """Start a program as ``python program.py ARGUMENTS`` in a folder would; returns the process's id."""
    child = os.fork()
    if child:
        return child
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with open(OUTPUT, 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv, sys.path[0] = ['program.py', *arguments], folder
    main = sys.modules['__main__'] = types.ModuleType('__main__')
    status = 1
    try:
        exec(compile(code, 'program.py', 'exec'), main.__dict__)
        status = 0
    except SystemExit as exit:
        status = exit.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == '__main__':
    serve()
