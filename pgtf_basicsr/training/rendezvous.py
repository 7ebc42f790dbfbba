"""How the processes of a run find each other, also after torchrun has restarted them."""
import os
import time
import uuid
from datetime import timedelta

from torch import distributed as dist

__all__ = ['join']

# Seconds between two looks at who has asked.
INTERVAL = 0.05


def join(backend, timeout):
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


def _agree_on_attempt(store, rank, world_size, timeout):
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
