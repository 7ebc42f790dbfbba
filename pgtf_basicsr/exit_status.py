"""How a command ends: its exit status, and one line for what the user can put right."""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta

from torch import distributed as dist

from pgtf_process import (
    INTERRUPTED,
    LOST_PROCESS,
    MISTAKE,
    STOPPED,
    TIME_TO_REPORT,
    EndedBySignal,
    unwound_by_signals,
    wait_for_report,
)

from .errors import Interrupted, SharedError, UserError, printable

__all__ = ['exit_status', 'lines_of', 'should_report']

# Errors of a full disk, a used-up quota, and a limit on the size of files.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Errors of what the user has named: no access, a disk that takes no files, a name that it does not take.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


def exit_status(run: Callable[[], object]) -> int:
    """Call a function and report how it ended.

    Returns:
        int: 0; 2 for a user's mistake, a full disk or a file that is out of reach, reported in a line; 75 for a
        training that was asked to stop and has saved all; 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP, as
        shells count; 1 where another process of the run is gone.
    """
    try:
        with unwound_by_signals():
            run()
    except UserError as error:
        if should_report(error):
            report(lines_of(error))
        else:
            wait_for_report()
        return MISTAKE
    except Interrupted as stop:
        if _is_rank_0():
            report([str(stop)])
        wait_for_all()
        return STOPPED
    except KeyboardInterrupt:
        return INTERRUPTED
    except EndedBySignal as end:
        report([str(end)])
        return end.status
    except OSError as error:
        if error.errno in FULL:
            report([f'cannot write {error.filename or "all of the output"}: {error.strerror}'])
        elif error.errno in REFUSED and error.filename:
            report([f'cannot read or write {error.filename}: {error.strerror}'])
        else:
            raise
        return MISTAKE
    except RuntimeError as error:
        if not is_of_communication(error):
            raise
        report(
            [
                f'rank {os.environ["RANK"]}: another process of this run is gone, or has not answered for longer than '
                f'dist_params.timeout: {str(error).splitlines()[0]}; resume with --auto_resume'
            ]
        )
        return LOST_PROCESS
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    return 0


def should_report(error: UserError) -> bool:
    """Whether this process is to report a mistake: rank 0 what all know of; once a node before they can talk."""
    if _is_rank_0():
        return True
    return not isinstance(error, SharedError) and (dist.is_initialized() or os.environ.get('LOCAL_RANK') == '0')


def lines_of(error: UserError) -> list[str]:
    """Lines of a message; of one raised in a data worker, torch's wrapping with traceback is taken off."""
    if error.args and str(error.args[0]).startswith('Caught '):
        return [re.sub(r'^[\w.]+: ', '', str(error.args[0]).strip().splitlines()[-1])]
    return str(error).splitlines()


def wait_for_all() -> None:
    """Wait until all processes of the run are here: torchrun ends all when the first has ended.

    Those that it has passed SIGTERM on to, it gives half a minute to end by themselves.
    """
    if dist.is_initialized():
        # An error says that one is gone: there is nobody to wait for.
        with contextlib.suppress(RuntimeError):
            dist.barrier(async_op=True).wait(timedelta(seconds=TIME_TO_REPORT))


def report(lines: Iterable[str]) -> None:
    """Write lines to standard error, each with the name of the command."""
    sys.stderr.write(''.join(f'basicsr: {printable(line)}\n' for line in lines))


def is_of_communication(error: RuntimeError) -> bool:
    """Whether an error came from torch.distributed; gloo's are plain RuntimeErrors that name it."""
    return 'RANK' in os.environ and (isinstance(error, dist.DistError) or 'gloo' in str(error))


def _is_rank_0() -> bool:
    return os.environ.get('RANK', '0') == '0'
