"""The command in processes of its own that start in a moment: forked off a server that has imported all."""

import gc
import multiprocessing
import os
import resource
import socket
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

CONTEXT = multiprocessing.get_context('forkserver')
# The command imports a subcommand's modules when that is run: here they are those that tests run most.  The first
# optimizer imports torch's compiler, which takes as long as a short training.
CONTEXT.set_forkserver_preload(
    [
        'torch._dynamo',
        'pgtf_basicsr.exit_status',
        'pgtf_basicsr.training.command',
        'pgtf_basicsr.testing.command',
        'pgtf_basicsr.restoration.command',
        'pgtf_basicsr.preparation.command',
        'torch.utils.tensorboard',
    ]
)


class Run:
    """``basicsr ARGUMENTS`` in ``folder`` in one or more processes, with the environment that torchrun gives them.

    Args:
        folder (Path): Where it runs.
        arguments: Of the command.
        world_size (int): Processes; with more than one, --launcher pytorch is added.
        elsewhere (Path): Where the last of them runs instead, as on another node.
        limits (dict): Limits of the processes, as of `resource.setrlimit`.
        before (callable): Called in each process before the command; a function of a module.
        environment: Variables beside torchrun's.
    """

    def __init__(self, folder, *arguments, world_size=1, elsewhere=None, limits=None, before=None, **environment):
        arguments = [str(argument) for argument in arguments]
        environments = [{}]
        if world_size > 1:
            arguments += ['--launcher', 'pytorch']
            common = {'WORLD_SIZE': str(world_size), 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free_port())}
            environments = [{**common, 'RANK': str(rank), 'LOCAL_RANK': str(rank)} for rank in range(world_size)]
        folders = [folder] * world_size
        if elsewhere:
            folders[-1] = elsewhere
            environments[-1]['LOCAL_RANK'] = '0'
        written = Path(tempfile.mkdtemp())
        self.outputs = [written / f'rank_{rank}.txt' for rank in range(world_size)]
        self.processes = [
            CONTEXT.Process(
                target=_run, args=(where, arguments, {**variables, **environment}, output, limits or {}, before)
            )
            for where, variables, output in zip(folders, environments, self.outputs)
        ]
        for process in self.processes:
            process.start()

    def kill(self):
        """SIGKILL to all of them; returns whether any was still at work."""
        at_work = any(process.is_alive() for process in self.processes)
        for process in self.processes:
            process.kill()
        self.statuses()
        return at_work

    def wait(self, timeout):
        """Wait for the first process to end, for so many seconds at most."""
        self.processes[0].join(timeout)

    def wait_for(self, text, rank=0, timeout=120):
        """Wait until a process has written something."""
        end = time.monotonic() + timeout
        while text not in self.output(rank):
            assert self.processes[rank].is_alive() and time.monotonic() < end, self.output(rank)[-3000:]
            time.sleep(0.005)

    def signal(self, number, rank=0):
        """Send a signal to one process."""
        os.kill(self.processes[rank].pid, number)

    def statuses(self, timeout=300):
        """Exit statuses of all processes, once they have ended."""
        for process in self.processes:
            process.join(timeout)
        return [process.exitcode for process in self.processes]

    def output(self, rank=0):
        """What a process has written."""
        return self.outputs[rank].read_text() if self.outputs[rank].exists() else ''


def run(folder, *arguments, world_size=1, status=0, **environment):
    """Run the command to its end and return what rank 0 wrote; every process must have the exit status."""
    command = Run(folder, *arguments, world_size=world_size, **environment)
    statuses = command.statuses()
    assert statuses == [status] * world_size, (
        '\n'.join(command.output(rank)[-3000:] for rank in range(world_size)) + f'\nexit statuses {statuses}'
    )
    return command.output()


def free_port():
    """A TCP port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def _run(folder, arguments, environment, output, limits, before):
    gc.freeze()  # what the server has imported stays: to look through it copies its pages
    multiprocessing.set_start_method('fork', force=True)  # the default, which data workers are started by
    os.chdir(folder)
    os.environ.update(environment)
    with open(output, 'w') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    from pgtf_command import run_command

    sys.argv = ['basicsr', *arguments]
    if before is not None:
        before()
    sys.exit(run_command(arguments))
