"""A model that BasicSR's loop can stop after any iteration, and resume as if it had never stopped."""

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import torch
from basicsr.models.base_model import BaseModel
from basicsr.utils import get_root_logger
from torch import nn

from pgtf_process import stop_request

from ..checkpoints import origin
from ..errors import Interrupted, SharedError, UserError
from ..host.learning_rates import set_learning_rates
from ..host.patches import SCHEDULE, mending
from ..ranks import average_in_rank_order, gathered, on_rank_0
from ..training.saving import save_checkpoint, save_networks
from ..training.state_files import agent_name, capture_random, restore_random

__all__ = ['SAVED', 'ResumableModel', 'cpu_state_dict', 'plain']

# Networks that a run saves, so that a resumed run finds its own state of them.
SAVED = ('network_g', 'network_d')


class ResumableModel(BaseModel):
    """Base of models whose checkpoints hold all of a run.

    What is mended of ``BaseModel`` for this package's own runs holds for these models in any run, see `host.patches`.

    A subclass sets ``iteration`` in each iteration and ``stopping`` where its ranks have agreed to stop, implements
    :meth:`network_files` and :meth:`check_last_step`, and has the attributes ``accumulate_iters``, ``net_d`` (or
    None) and ``scaler``.

    Attributes:
        iteration (int): The last iteration that was made.
        saved_iteration (int): The iteration of the last checkpoint.
        stopping (bool): Whether the run has been asked to stop.
        validated (dict): {dataset: iteration of its last validation}.
        position (Position | None), validate_all (Callable | None), tb_logger (SummaryWriter | None): Where the run
            stands in its epochs, a function that validates on all sets, TensorBoard's log; set by whoever drives the
            model.
    """

    # Of the paper, 1 to 4; None for trainings that are not one of its stages.
    stage: int | None = None
    # {network: checksum of its file} of frozen networks that are not saved with a checkpoint.
    teacher_checksums: dict[str, int] = {}

    def __init__(self, opt: dict) -> None:
        super().__init__(opt)
        self.iteration = self.saved_iteration = 0
        self.stopping = False
        self.best_metric_results: dict[str, dict] = {}
        self.validated: dict[str, int] = {}
        self.position = self.validate_all = self.tb_logger = None

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """Move ``net`` to the model's device and wrap it for data parallel training.

        On CPU gradients are averaged in the order of ranks, so that a resumed run has the same bits.
        """
        net = super().model_to_device(net)
        if self.opt['dist'] and self.device.type == 'cpu':
            net.register_comm_hook(None, average_in_rank_order)
        return net

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """Begin an iteration, unless the run has been asked to stop.

        Raises:
            Interrupted: It has, and all is saved.
        """
        self.stop_if_asked(current_iter - 1)
        with warnings.catch_warnings(), mending([SCHEDULE]):
            # The discriminator's schedule runs before its first step; torch takes that for a mistake.
            warnings.filterwarnings('ignore', message='Detected call of `lr_scheduler.step', category=UserWarning)
            set_learning_rates(self, current_iter, warmup_iter)

    def stop_if_asked(self, iteration: int) -> None:
        """Save and raise Interrupted after an iteration, if the run has been asked to stop.

        Ranks have agreed on it in this iteration or the one before. Gradients are in no checkpoint: it has to be one
        with a step.
        """
        if not self.opt['dist']:
            self.stopping = stop_request.made()
        if not self.stopping or iteration % self.accumulate_iters:
            return
        if iteration != self.saved_iteration:
            get_root_logger().info('Asked to stop. Saving models and training states.')
            self.save(None, iteration)
        raise Interrupted(f'stopped after iteration {iteration}, as asked; resume with --auto_resume')

    def network_files(self, iteration: int) -> dict[str, dict]:
        """{label, such as net_g: contents of its file} of an iteration."""
        raise NotImplementedError

    def check_last_step(self) -> None:
        """Find out how the last iteration went, before what it made is used; every rank calls it.

        Raises:
            UserError: It ends the run.
        """
        raise NotImplementedError

    def save(self, epoch: int | None, current_iter: int) -> None:
        """Save net_g (params, params_ema), net_d, and the training state last; -1 stands for the end of training.

        Every rank must call it. The epoch is counted here, so that the end of one is not the start of the next.

        Raises:
            UserError: On every rank, if a file cannot be written; older checkpoints are as they were.
        """
        self.check_last_step()
        experiment = self.opt['path']['experiments_root']
        if current_iter == -1:
            total = self.opt['train']['total_iter']
            if self.iteration < total:
                raise SharedError(
                    f'training ended after {self.iteration} of {total} iterations: the loader gave no '
                    'more batches; nothing is lost: resume with --auto_resume'
                )
            on_rank_0(lambda: save_networks(experiment, self.network_files(total), 'latest'))
            return
        if self.tb_logger:
            # A resumed run logs from here on: what comes before has to be on the disk.
            self.tb_logger.flush()
        of_ranks = gathered({'random': capture_random(self.device), 'agent': agent_name()})
        on_rank_0(
            lambda: save_checkpoint(
                experiment,
                self.network_files(current_iter),
                self.training_state(epoch, current_iter, of_ranks),
                self.opt['path'].get('keep_checkpoints'),
            )
        )
        self.saved_iteration = current_iter

    def origin(self, iteration: int) -> dict[str, Any]:
        """Where what is saved of this run comes from, see `checkpoints.origin`."""
        return origin(iteration, self.opt.get('option_file'), self.opt.get('name'), self.stage)

    def training_state(self, epoch: int | None, iteration: int, of_ranks: list[dict]) -> dict:
        """All that a resumed run needs beside the networks, see `training.state_files`."""
        samples = 0
        if self.position:
            epoch, samples = self.position.at(iteration)
        return {
            'checkpoint': self.origin(iteration),
            'epoch': epoch,
            'iter': iteration,
            'samples': samples,
            'optimizers': [optimizer.state_dict() for optimizer in self.optimizers],
            'schedulers': [scheduler_state(scheduler) for scheduler in self.schedulers],
            'scaler': self.scaler.state_dict(),
            'random': [rank['random'] for rank in of_ranks],
            'seed': self.opt.get('manual_seed'),
            'best_metrics': plain(self.best_metric_results),
            'validated': dict(self.validated),
            'networks': [name for name in SAVED if name != 'network_d' or self.net_d is not None],
            'teachers': self.teacher_checksums,
            'agents': sorted({rank['agent'] for rank in of_ranks if rank['agent']}),
        }

    def check_state(self, state: dict) -> None:
        """Refuse a training state that this model cannot resume from as if it had never stopped.

        Raises:
            UserError: It is another program's, another network's, or was made with another teacher.
        """
        path = self.opt['path']['resume_state']
        missing = [key for key in ('random', 'scaler', 'best_metrics', 'validated') if key not in state]
        if missing:
            raise UserError(
                f'{path} was not written by this package: it has no {", ".join(missing)}; take its '
                'networks as path.pretrain_network_* and start anew'
            )
        shapes = [
            [tuple(p.shape) for group in optimizer.param_groups for p in group['params']]
            for optimizer in self.optimizers
        ]
        saved = [optimizer_shapes(optimizer, expected) for optimizer, expected in zip(state['optimizers'], shapes)]
        if len(state['optimizers']) != len(shapes) or saved != shapes:
            raise UserError(
                f'{path} belongs to other networks, or other parts of them were trained: its optimizers '
                'do not fit; resume with the options it was made with'
            )
        changed = [
            name for name, value in state.get('teachers', {}).items() if self.teacher_checksums.get(name) != value
        ]
        if changed:
            raise UserError(
                f'{self.opt["path"][f"pretrain_{changed[0]}"]} has changed since {path} was written: the '
                'run would continue with another teacher; put the old file back, or start anew'
            )

    def resume_training(self, resume_state: dict) -> None:
        """Take over a training state, and make up for a validation that an interruption has cut off.

        As in BasicSR, optimizers and schedulers keep the settings they were made with; a warning names those that the
        options have changed.
        """
        kept = dict.fromkeys(
            [
                *different_settings(resume_state['optimizers'], self.optimizers, optimizer_settings),
                *different_settings(resume_state['schedulers'], self.schedulers, scheduler_settings),
            ]
        )
        if kept:
            get_root_logger().warning(f'Kept as the state has it, against the options: {"; ".join(kept)}.')
        super().resume_training(resume_state)
        self.scaler.load_state_dict(resume_state['scaler'])
        self.iteration = self.saved_iteration = resume_state['iter']
        self.best_metric_results = deepcopy(resume_state['best_metrics'])
        self.validated = dict(resume_state['validated'])
        random = resume_state['random']
        if len(random) == self.opt['world_size']:
            restore_random(random[self.opt['rank']], self.device)
        else:
            get_root_logger().warning(
                f'The state is of {len(random)} processes and these are {self.opt["world_size"]}: the run continues '
                'well, but not as it would have with as many.'
            )
        val = self.opt.get('val')
        if val and self.validate_all and self.iteration % val['val_freq'] == 0:
            self.validate_all(self.iteration)


def cpu_state_dict(net: nn.Module) -> dict[str, torch.Tensor]:
    """State dict of a network on the CPU."""
    return {name: tensor.detach().cpu() for name, tensor in net.state_dict().items()}


def scheduler_state(scheduler: Any) -> dict:
    """State of a scheduler in plain types: BasicSR's MultiStepRestartLR keeps a Counter, which is not one."""
    return {key: dict(value) if isinstance(value, dict) else value for key, value in scheduler.state_dict().items()}


def optimizer_settings(state: dict) -> dict:
    """Settings in the state of an optimizer, such as betas."""
    return {key: value for key, value in state['param_groups'][0].items() if key not in ('params', 'lr')}


def scheduler_settings(state: dict) -> dict:
    """Settings in the state of a scheduler, such as milestones."""
    derived = ('last_epoch', 'base_lrs', 'cumulative_period')
    return {key: value for key, value in state.items() if key not in derived and key[0] != '_'}


def different_settings(saved: list[dict], current: list, settings: Callable[[dict], dict]) -> Iterator[str]:
    """Yield a few words on each setting that differs between saved states and optimizers or schedulers."""
    for state, item in zip(saved, current):
        before, now = settings(state), settings(item.state_dict())
        for key, value in before.items():
            if key in now and plain(now[key]) != plain(value):
                yield f'{key} {value} instead of {now[key]}'


def optimizer_shapes(saved: dict, shapes: list) -> list:
    """Shapes of the parameters that a saved optimizer has statistics of; where it has none, those expected."""
    number = sum(len(group['params']) for group in saved['param_groups'])
    found = (shapes + [None] * number)[:number]
    for index, values in saved['state'].items():
        of_tensors = [tuple(value.shape) for value in values.values() if torch.is_tensor(value) and value.dim()]
        if of_tensors and index < number:
            found[index] = of_tensors[0]
    return found


def plain(value: Any) -> Any:
    """Options as plain dicts and lists, which load with ``weights_only=True``."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
