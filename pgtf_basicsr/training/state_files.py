"""Training states on disk: what a run has to know to resume as if it had never stopped.

An experiment holds, for every iteration that was saved,

    models/net_<name>_<iteration>.pth       the networks, written first
    training_states/<iteration>.state       all else, written last: a state is there only if its networks are

A state is a dict of tensors and plain values, which loads with ``weights_only=True``:

    checkpoint              `checkpoints.origin`
    epoch, iter             where the loop stands
    samples                 samples of this epoch that have been taken, over all ranks
    optimizers, schedulers, scaler
    random                  states of the random generators of each rank
    seed                    of the run
    best_metrics, validated best values so far; the last validated iteration of each dataset
    networks                names of the networks that were saved with it
    teachers                checksums of files of frozen networks, which are not saved
    agents                  the torchrun agents of its processes, see `agent_name`
"""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checkpoints import FORMAT, read_checkpoint, read_torch_file
from ..errors import UserError

__all__ = [
    'agent_name',
    'capture_random',
    'load_state',
    'load_whole_state',
    'network_files',
    'newest_whole',
    'prune',
    'restore_random',
    'saved_iterations',
    'undisturbed_random',
]

KEYS = ('epoch', 'iter', 'optimizers', 'schedulers')


def load_state(path: str | Path) -> dict:
    """Read a training state.

    Args:
        path (str | Path): ``<experiment>/training_states/<iteration>.state``.

    Raises:
        UserError: It is missing, torn, damaged or foreign.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f'{path}: there is no such training state (looked for {path.absolute()})')
    try:
        state = read_torch_file(path)
    except Exception as error:  # a torn or foreign pickle can raise nearly anything
        raise UserError(
            f'{path} cannot be read as a training state: it is damaged, or holds other things ({type(error).__name__})'
        ) from error
    missing = [key for key in KEYS if key not in state]
    if missing:
        raise UserError(f'{path} is not a training state: it has no {", ".join(missing)}')
    _check_format(path, state.get('checkpoint'))
    return state


def load_whole_state(path: str | Path) -> dict:
    """Read a training state whose networks are whole as well; errors as of `load_state`, or of a network's file."""
    state = load_state(path)
    for network in network_files(path, state).values():
        _check_network(network, state['iter'])
    return state


def network_files(path: str | Path, state: dict) -> dict[str, Path]:
    """{name of the network: file} of what was saved with a state."""
    folder = Path(path).absolute().parents[1] / 'models'
    return {
        name: folder / f'net_{name.removeprefix("network_")}_{state["iter"]}.pth' for name in state.get('networks', ())
    }


def newest_whole(experiment: str | Path) -> tuple[Path | None, dict | None, list[str]]:
    """Find the newest training state of an experiment that can be resumed from.

    Args:
        experiment (str | Path): The experiment's folder.

    Returns:
        tuple: Its path, or None; the state, or None; a list of reasons why newer ones were passed over.
    """
    passed_over: list[str] = []
    for iteration in reversed(saved_iterations(experiment)):
        path = Path(experiment, 'training_states', f'{iteration}.state')
        try:
            return path, load_whole_state(path), passed_over
        except UserError as error:
            passed_over.append(str(error))
    return None, None, passed_over


def saved_iterations(experiment: str | Path) -> list[int]:
    """Iterations of which an experiment has a training state, whole or not, in order."""
    folder = Path(experiment, 'training_states')
    names = os.listdir(folder) if folder.is_dir() else []
    return sorted(int(name[:-6]) for name in names if name.endswith('.state') and name[:-6].isdigit())


def prune(experiment: str | Path, keep: int, newest: int) -> None:
    """Delete all but ``keep`` training states and their networks: that of iteration ``newest`` and those before it.

    A state goes before its networks, so that one whose networks are gone is never left.  Call it only
    after ``newest`` has been saved well.  States of later iterations are not counted: a run that has
    just gone back behind them has found them broken.
    """
    saved = [iteration for iteration in saved_iterations(experiment) if iteration <= newest]
    kept = saved[-keep:]
    for iteration in saved[:-keep]:
        Path(experiment, 'training_states', f'{iteration}.state').unlink()
    # Also networks whose state an earlier, interrupted call has deleted.
    for network in Path(experiment, 'models').glob('net_*_*.pth'):
        iteration = network.stem.rpartition('_')[2]
        if iteration.isdigit() and int(iteration) < kept[0]:
            network.unlink()


def capture_random(device: torch.device) -> dict[str, Any]:
    """States of this process's random generators (torch, CUDA, NumPy, Python) as tensors and plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, python, gauss_next = random.getstate()
    return {
        'torch': torch.get_rng_state(),
        'cuda': torch.cuda.get_rng_state(device) if device.type == 'cuda' else None,
        'numpy': [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, gauss],
        'python': [version, torch.tensor(python), gauss_next],
    }


def restore_random(captured: dict[str, Any], device: torch.device) -> None:
    """Set this process's random generators to what `capture_random` returned."""
    torch.set_rng_state(captured['torch'])
    if captured['cuda'] is not None and device.type == 'cuda':
        torch.cuda.set_rng_state(captured['cuda'], device)
    name, keys, *rest = captured['numpy']
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, python, gauss_next = captured['python']
    random.setstate((version, tuple(python.tolist()), gauss_next))


@contextmanager
def undisturbed_random(device: torch.device) -> Iterator[None]:
    """Context after which this process's random generators stand where they stood before."""
    captured = capture_random(device)
    try:
        yield
    finally:
        restore_random(captured, device)


def agent_name() -> str | None:
    """Name of the torchrun agent that started this process, which outlives restarts of it; None without one.

    It is unique: a later launch is another one even with the same --rdzv-id, host and process id.
    """
    launch = os.environ.get('TORCHELASTIC_RUN_ID')
    if launch is None:
        return None
    agent = os.getppid()
    try:
        # Field 22, counted behind the name, which may hold spaces: when the process started.
        started = Path(f'/proc/{agent}/stat').read_text().rpartition(')')[2].split()[19]
    except OSError:
        started = 'unknown'
    return f'{launch}, {socket.gethostname()}, process {agent} started at {started}'


def _check_format(path: str | Path, source: Any) -> None:
    version = source.get('format') if isinstance(source, dict) else None
    if version is not None and version > FORMAT:
        raise UserError(
            f'{path} has format {version}, written by pgtf-basicsr {source.get("package")}; this version '
            f'reads formats up to {FORMAT}: install that one'
        )


def _check_network(path: Path, iteration: int) -> None:
    checkpoint = read_checkpoint(path)
    _check_format(path, checkpoint.origin)
    if (checkpoint.origin or {}).get('iter') != iteration:
        raise UserError(f'{path} is not of iteration {iteration}: it was written over')
