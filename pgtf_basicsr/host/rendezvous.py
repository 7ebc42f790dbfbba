"""How the processes of a run find each other, also after torchrun has restarted them."""

import multiprocessing
import os
import subprocess
import time
import uuid
from datetime import timedelta

import torch
from torch import distributed as dist

from ..errors import UserError

__all__ = ['init_dist']

# A collective that takes longer than these minutes means that a rank is gone.
DEFAULT_TIMEOUT = 30
# Seconds between two looks at who has asked.
INTERVAL = 0.05


def init_dist(
    launcher: str,
    backend: str = 'nccl',
    timeout: float = DEFAULT_TIMEOUT,
    port: int | None = None,
    device: str = 'auto',
) -> None:
    """Start torch.distributed for ``--launcher pytorch`` or ``slurm``, with or without GPUs.

    BasicSR divides by the number of GPUs and knows only NCCL; here a machine without CUDA uses
    gloo.  It also forces spawned data workers, which cost seconds an epoch; that is kept for
    CUDA alone, where forking after initialisation is unsafe.

    Args:
        launcher (str): 'pytorch' (torchrun's environment) or 'slurm'.
        backend (str): Backend where CUDA is present. Default: 'nccl'.
        timeout (float): Longest wait in one collective, in minutes. Default: 30.
        port (int | None): Master port under slurm. Default: MASTER_PORT, or 29500.
        device (str): 'cpu', or 'auto' for CUDA where it is.

    Raises:
        UserError: The launcher has not set the variables that it sets.
    """
    if launcher == 'slurm':
        _slurm_environment(port)
    elif launcher != 'pytorch':
        raise ValueError(f'unknown launcher {launcher!r}: choose pytorch or slurm')
    else:
        _require('pytorch', ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'), 'torchrun')
    if device != 'cpu' and torch.cuda.is_available():
        if multiprocessing.get_start_method(allow_none=True) is None:
            multiprocessing.set_start_method('spawn')
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    else:
        backend = 'gloo'
    _join(backend, timedelta(minutes=timeout))


def _slurm_environment(port: int | None) -> None:
    """Set the variables that torch.distributed reads from those that slurm gives."""
    _require('slurm', ('SLURM_NODELIST', 'SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'), 'srun')
    nodes = os.environ['SLURM_NODELIST']
    try:
        hosts = subprocess.run(['scontrol', 'show', 'hostnames', nodes], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, 'stderr', None) or str(error)).strip()
        raise UserError(f'--launcher slurm: scontrol cannot name the hosts of {nodes}: {reason}') from error
    os.environ['MASTER_ADDR'] = hosts.stdout.split()[0]
    if port is not None:
        os.environ['MASTER_PORT'] = str(port)
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']


def _require(launcher: str, names: tuple[str, ...], command: str) -> None:
    """Refuse an environment in which variables are missing that ``command`` sets."""
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise UserError(f'--launcher {launcher}: {", ".join(missing)} not set; start the processes with {command}')


def _join(backend: str, timeout: timedelta) -> None:
    """Start torch.distributed from the environment that torchrun or slurm has set.

    Args:
        backend (str): 'nccl' or 'gloo'.
        timeout (timedelta): Longest wait, here and in one collective.

    Raises:
        RuntimeError: A process has not come in time.
    """
    store, rank, world_size = next(dist.rendezvous('env://', timeout=timeout))
    if os.environ.get('TORCHELASTIC_USE_AGENT_STORE') == 'True':
        store = dist.PrefixStore(_agree_on_attempt(store, rank, world_size, timeout), store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=timeout)


def _agree_on_attempt(store: dist.Store, rank: int, world_size: int, timeout: timedelta) -> str:
    """A name for this attempt that no earlier one had, the same on every rank.

    torchrun keeps one store through all its restarts. What killed processes have left in it, such as their
    addresses, would be taken for that of the new ones, which then wait for each other for ever.  So rank 0 draws a
    name, and each other rank asks for it under a name of its own: what lies under a common one may be old.
    """
    name = uuid.uuid4().hex
    if rank > 0:
        store.set(f'asks/{rank}', name)
        store.wait([f'answer/{name}'], timeout)
        attempt = store.get(f'answer/{name}').decode()
        store.set(f'knows/{attempt}/{rank}', '')
        return attempt

    unaware = set(range(1, world_size))
    end = time.monotonic() + timeout / timedelta(seconds=1)
    while unaware:
        if time.monotonic() > end:
            raise dist.DistError(f'rank {min(unaware)} of {world_size} has not come')
        for other in sorted(unaware):
            if store.check([f'knows/{name}/{other}']):
                unaware.remove(other)
            elif store.check([f'asks/{other}']):
                # It may be an old question; then the new one follows.
                store.set(f'answer/{store.get(f"asks/{other}").decode()}', name)
        time.sleep(INTERVAL)
    return name
