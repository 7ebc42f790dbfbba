"""Writing checkpoints: networks first, the training state last, each file whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from ..checkpoints import write_checkpoint
from ..errors import UserError
from .state_files import prune, saved_iterations

__all__ = ['save_checkpoint', 'save_networks']


def save_checkpoint(experiment: str | Path, networks: dict[str, dict], state: dict, keep: int | None = None) -> None:
    """Write a checkpoint of one iteration, and delete old ones.

    Args:
        experiment (str): The experiment's folder.
        networks (dict): {file label, such as net_g: contents of the file}.
        state (dict): The training state, with ``iter``.
        keep (int | None): How many checkpoints stay. Default: all.

    Raises:
        UserError: A file cannot be written; older checkpoints are as they were.
    """
    iteration = state['iter']
    save_networks(experiment, networks, iteration)
    _write(experiment, os.path.join('training_states', f'{iteration}.state'), state)
    if keep:
        prune(experiment, keep, iteration)


def save_networks(experiment: str | Path, networks: dict[str, dict], name: int | str) -> None:
    """Write ``models/<label>_<name>.pth`` for each network, where ``name`` is an iteration or 'latest'.

    Raises:
        UserError: A file cannot be written, or a network has values that are not finite: then none is written.
    """
    for label, contents in networks.items():
        spoilt = [
            tensor
            for weights in contents.values()
            if isinstance(weights, dict)
            for tensor, value in weights.items()
            if torch.is_tensor(value) and not value.isfinite().all()
        ]
        if spoilt:
            raise UserError(
                f'{label} has values that are not finite, {spoilt[0]} for one, and is not saved; '
                f'{_newest(experiment)}: lower the learning rate'
            )
    for label, contents in networks.items():
        _write(experiment, os.path.join('models', f'{label}_{name}.pth'), contents)


def _write(experiment: str | Path, file: str, contents: dict) -> None:
    path = os.path.join(experiment, file)
    try:
        write_checkpoint(path, contents)
    except (OSError, RuntimeError) as error:
        # torch wraps what the file system says.
        cause = next((cause for cause in _causes(error) if isinstance(cause, OSError)), error)
        reason = getattr(cause, 'strerror', None) or str(cause).partition('\n')[0]
        raise UserError(f'cannot save {path}: {reason}; {_newest(experiment)}') from error


def _newest(experiment: str | Path) -> str:
    saved = saved_iterations(experiment)
    return f'the newest checkpoint is of iteration {saved[-1]}' if saved else 'there is no older checkpoint'


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
