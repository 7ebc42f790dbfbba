"""Effects on the whole process: all that this package does to signals, exit, environment, imports and data workers.

It stands beside the package because some of it has to happen before torch is loaded, and importing the package loads
it.  Nothing here happens by itself:

    by the command        `prepare_command`, `unwound_by_signals`, then `leave`
    by ``import pgtf_basicsr``    `postpone_compiler`
    by a training         `stop_request`, `end_workers_at_exit` and, in data workers, `outlive_stop_request`
"""

import atexit
import importlib
import importlib.util
import multiprocessing
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import popen_fork
from multiprocessing.util import Finalize
from typing import Any, NoReturn

__all__ = [
    'HANGUP',
    'INTERRUPTED',
    'LOST_PROCESS',
    'MISTAKE',
    'STOPPED',
    'TIME_TO_REPORT',
    'EndedBySignal',
    'StopRequest',
    'end_workers_at_exit',
    'leave',
    'outlive_stop_request',
    'postpone_compiler',
    'prepare_command',
    'stop_request',
    'unwound_by_signals',
    'wait_for_report',
]

# Exit statuses, beside 0.
LOST_PROCESS = 1
MISTAKE = 2
# BSD's EX_TEMPFAIL: not finished, start it again.
STOPPED = 75
INTERRUPTED = 130

# Of a terminal or connection that is closed; Windows has none.
HANGUP = getattr(signal, 'SIGHUP', signal.SIGTERM)
SIGNALS = (signal.SIGINT, signal.SIGTERM, HANGUP)
# Seconds that a data worker lives on after SIGTERM, so that its trainer can finish the iteration.
WORKER_GRACE = 60
# Seconds after which a fork is over.
FORKING_TIME = 0.1
# Seconds that processes of a run may be apart when they find the same mistake, or when they stop.
TIME_TO_REPORT = 60


# ------------------------------------------------------------------------------ start and end of a command


@contextmanager
def prepare_command() -> Iterator[None]:
    """Context in which the command imports torch and BasicSR.

    Ctrl-C ends the process at once: torch would take the exception for a fault of NumPy in the midst of its import,
    and continue.
    """
    # Torch reads it when it is loaded. Feature maps of tens of megabytes come and go all the time: in pages of 4 KB
    # Linux takes longer to hand out their memory than many a layer to fill it. On one core, a window of 512x512
    # pixels takes 10 % less time with it (63 instead of 70 s on a busy machine, of it 8 instead of 17 s in Linux).
    os.environ.setdefault('THP_MEM_ALLOC_ENABLE', '1')
    # The encoder of AV1 would describe itself on stderr, in thirty lines a file.
    os.environ.setdefault('SVT_LOG', '1')
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, on_interrupt)


class EndedBySignal(SystemExit):
    """SIGTERM or SIGHUP has come: what is half-written is removed on the way out; the status is 128 + its number."""

    def __init__(self, number: int):
        self.status = 128 + number
        super().__init__(self.status)
        self.name = signal.Signals(number).name

    def __str__(self) -> str:
        return f'ended by {self.name}'


@contextmanager
def unwound_by_signals() -> Iterator[None]:
    """Context in which SIGTERM and SIGHUP raise `EndedBySignal`, as Ctrl-C raises KeyboardInterrupt.

    A signal that is ignored stays so (as ``nohup`` wants it), and one comes only once: nothing is to disturb what the
    first has begun. Under torchrun they end a process at once: it could be waiting for one that is gone.
    """
    if 'TORCHELASTIC_RUN_ID' in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [number for number in {signal.SIGTERM, HANGUP} if signal.getsignal(number) is signal.SIG_DFL]
    process = os.getpid()

    def unwind(number: int, frame: types.FrameType | None) -> None:
        if os.getpid() == process and _is_forking(frame):
            # Python drops what is raised by callbacks of a fork, so the signal has to come again.
            threading.Timer(FORKING_TIME, os.kill, (process, number)).start()
            return
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise EndedBySignal(number)

    for number in numbers:
        signal.signal(number, unwind)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _is_forking(frame: types.FrameType | None) -> bool:
    """Whether a stack of calls is inside of the fork of a process by multiprocessing."""
    while frame is not None:
        if (frame.f_code.co_filename, frame.f_code.co_name) == (popen_fork.__file__, '_launch'):
            return True
        frame = frame.f_back
    return False


def leave(status: int) -> NoReturn:
    """End this process with an exit status.

    Destructors of torch's threads can abort a process that has done all it had to do. Torchrun then kills the others,
    which may still be validating: under it no destructor runs, but what is registered with atexit does.
    """
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def wait_for_report() -> None:
    """Wait for torchrun to end this process: it ends all when the first has ended, which must be one that reports."""
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        time.sleep(TIME_TO_REPORT)


# ------------------------------------------------------------------------------ stopping a training


class StopRequest:
    """Notes SIGTERM (a scheduler's time limit), SIGHUP (a closed terminal) and SIGINT (Ctrl-C) for a loop that looks.

    Until somebody looks, and from the second signal on, a signal ends the process at once with
    status 128 + its number.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._heeded = False

    @contextmanager
    def noted(self) -> Iterator['StopRequest']:
        """Context in which the signals are noted."""
        self.signal, self._heeded = None, False
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        previous = {number: signal.signal(number, self._note) for number in heard}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def made(self) -> bool:
        """Whether somebody has asked to stop; who calls this has promised to do so."""
        self._heeded = True
        return self.signal is not None

    def _note(self, number: int, frame: Any) -> None:
        if self.signal is not None or not self._heeded:
            raise SystemExit(128 + number)
        self.signal = number


# Signal handlers belong to the process, and so does what they note.
stop_request = StopRequest()


def outlive_stop_request() -> None:
    """In a data worker: let signals to the whole process group pass, for the trainer needs it to finish.

    The trainer ends its workers itself, see `end_workers_at_exit`. One whose trainer cannot do so any more ends itself
    a little later.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(HANGUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(WORKER_GRACE))


def end_workers_at_exit() -> None:
    """Let this process end its data workers when it exits, for its SIGTERM they outlive."""
    Finalize(None, _kill_workers, exitpriority=0)


def _kill_workers() -> None:
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


# ------------------------------------------------------------------------------ what imports take along


def postpone_compiler() -> None:
    """Import torchvision, which BasicSR does, without the compiler that it takes along.

    ``torch._dynamo`` costs a second and 0.14 GB (``import pgtf_basicsr`` with it: 4.7 s and 1.03 GB; without: 3.4 s
    and 0.89 GB), for one function by which ``torchvision.ops.roi_align`` asks whether it may compile.  Here it asks,
    and the compiler is imported, when that is called.
    """
    if 'torch._dynamo' in sys.modules:
        return
    package, utils = _Postponed('torch._dynamo'), _Postponed('torch._dynamo.utils')
    spec = importlib.util.find_spec('torch._dynamo')
    if spec is None:
        return

    def is_compile_supported(device_type: str) -> bool:
        return importlib.import_module(utils.__name__).is_compile_supported(device_type)

    package.__dict__['__path__'] = spec.submodule_search_locations
    utils.__dict__['is_compile_supported'] = is_compile_supported
    sys.modules |= {module.__name__: module for module in (package, utils)}
    try:
        importlib.import_module('torchvision')
    finally:
        _Postponed.end()


class _Postponed(types.ModuleType):
    """Stands for a module until more is asked of it than what was put here; then that is imported after all."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        self.end()
        return getattr(importlib.import_module(self.__name__), name)

    @staticmethod
    def end() -> None:
        """Take away all that stand for others."""
        for name, module in list(sys.modules.items()):
            if isinstance(module, _Postponed):
                del sys.modules[name]
