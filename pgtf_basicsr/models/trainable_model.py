"""Training of one network: weights, mixed precision, accumulation, EMA, saving."""

from collections import OrderedDict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any, NoReturn

import numpy as np
import torch
from basicsr.utils import get_root_logger
from torch import nn

from pgtf_process import stop_request

from ..checkpoints import load_weights, state_dict
from ..devices import PRECISIONS
from ..errors import SharedError, UserError
from ..ranks import gathered
from .building import build_loss, build_network, log_parameters
from .optimizers import build_optimizer
from .resumable_model import SAVED, cpu_state_dict, plain
from .sharded_validation import ValidatedModel
from .step_guard import PendingStep, StepGuard, all_finite, replace_where, step_unless
from .trainable_options import TrainableOptions

__all__ = ['TrainableModel']

# That fp16 starts with. At torch's, 2 ** 16, the gradient of the last layer's weights, a sum over all pixels, overflows
# as soon as the adversarial loss begins; at this one gradients of single pixels of 512x512 are still well above the
# smallest numbers.
LOSS_SCALE = 2.0**12


class TrainableModel(ValidatedModel):
    """Base of the models that BasicSR's loop drives; a subclass says what network_g learns from what.

    A subclass names its options in ``option_types``, and implements ``feed_data``, which sets ``samples``, the keys of
    the batch, and ``drawn``, lines that their dataset can make them again from, if any; and :meth:`init_losses`,
    :meth:`compute_gradients`, :meth:`new_scores` and :meth:`score`.

    Args:
        opt (dict): The options of a run, as BasicSR makes them of a file.

    Attributes:
        options (TrainableOptions): The same, typed and with their defaults.

    Raises:
        UserError: An option has an impossible value, or what the options name cannot be built or read.
    """

    option_types: type[TrainableOptions] = TrainableOptions
    # Modules of network_g that are frozen unless `train.frozen` says otherwise.
    default_frozen: tuple[str, ...] = ()

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__(opt)
        self.options = self.option_types.of_model(self, opt)
        if opt['num_gpu'] > 1 and not opt['dist']:
            raise UserError(
                f'num_gpu is {opt["num_gpu"]} in one process: start one process a GPU with torchrun and '
                '--launcher pytorch, or set num_gpu to 1'
            )
        self.init_metrics()
        self.set_precision(self.options.precision)
        self.net_g = build_network('network_g', opt['network_g'])
        self.require_modules('path.skip_load_g', self.options.path.skip_load_g)
        self.load_pretrained(self.net_g, 'network_g')
        if self.is_train:
            self.init_training_settings()
        else:
            self.net_g = self.net_g.to(self.device).eval()

    # ----------------------------------------------------------------- set-up

    def init_metrics(self) -> None:
        """Prepare the metrics of validation, before anything is built."""

    def load_pretrained(self, net: nn.Module, name: str, key: str | None = None) -> bool:
        """Load ``path.pretrain_<name>`` into ``net``, if the options name a file; returns whether they do.

        Args:
            net (nn.Module): The network.
            name (str): Its name in the options, such as network_g.
            key (str, optional): Key of the weights in the file. Default: ``path.param_key_*``.

        Raises:
            UserError: The file cannot be read, or does not fit.
        """
        options = self.options.path
        path = getattr(options, f'pretrain_{name}')
        if path is None:
            return False
        if options.resume_state and name in SAVED:
            key = key or 'params'
        key = key or getattr(options, f'param_key_{name.removeprefix("network_")}')
        get_root_logger().info(f'Loading {type(net).__name__} from {path}.')
        starts = self.is_train and name == 'network_g' and not options.resume_state
        load_weights(net, state_dict(path, key), path, skipped=options.skip_load_g if starts else ())
        return True

    def init_training_settings(self) -> None:
        """Freeze, wrap, and build EMA, losses, discriminator, optimizers and schedulers."""
        options = self.options.train
        self.accumulate_iters = options.accumulate_iters
        self.freeze(self.default_frozen if options.frozen is None else options.frozen)

        self.ema_decay = options.ema_decay
        if self.ema_decay > 0:
            get_root_logger().info(f'Use Exponential Moving Average with decay: {self.ema_decay}')
            self.net_g_ema: Any = deepcopy(self.net_g).to(self.device).eval().requires_grad_(False)
            if self.options.path.resume_state:
                self.load_pretrained(self.net_g_ema, 'network_g', 'params_ema')
        self.net_g = self.model_to_device(self.net_g)
        self.set_train_mode()
        self.print_network(self.net_g)
        self.init_losses()
        self.net_d = self.init_discriminator()

        self.optimizer_g = self.add_optimizer('optim_g', self.net_g)
        self.optimizer_d = self.add_optimizer('optim_d', self.net_d) if self.net_d else None
        self.setup_schedulers()
        self.losses: OrderedDict[str, torch.Tensor] = OrderedDict()
        self.guard = StepGuard(options.max_skipped_steps)
        # Whether an iteration since the last step failed, on the device.
        self.broken: torch.Tensor | None = None
        self.pending_step: PendingStep | None = None

    def init_losses(self) -> None:
        """Build the losses that the options name."""
        raise NotImplementedError

    def init_discriminator(self) -> Any:
        """Build network_d; None where no loss needs one."""
        return None

    def build_loss(self, name: str) -> Any:
        """Build the loss of ``train.<name>`` on the device; None where there is none, or its ``weights`` are null."""
        loss = build_loss(f'train.{name}', getattr(self.options.train, name))
        return loss and loss.to(self.device)

    def set_precision(self, name: str) -> None:
        """Set autocast and loss scaling for fp32, bf16 or fp16."""
        if name == 'fp16' and self.device.type != 'cuda':
            fitting = ', '.join(precision for precision in PRECISIONS if precision != 'fp16')
            raise UserError(f'train.precision {name} is not supported on {self.device.type}: choose one of {fitting}')
        self.precision = PRECISIONS[name]
        self.scaler = torch.amp.GradScaler(self.device.type, init_scale=LOSS_SCALE, enabled=name == 'fp16')

    def autocast(self) -> torch.autocast:
        """Make a context in which forward passes run in the chosen precision."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)

    def freeze(self, names: Iterable[str]) -> None:
        """Freeze the named modules of network_g."""
        self.frozen = tuple(names)
        self.require_modules('train.frozen', self.frozen)
        for name in self.frozen:
            getattr(self.net_g, name).requires_grad_(False)

    def require_modules(self, option: str, names: Iterable[str]) -> None:
        """Refuse names, given by an option, of modules that network_g does not have."""
        modules = [name for name, _ in self.net_g.named_children()]
        unknown = [name for name in names if name not in modules]
        if unknown:
            raise UserError(f'{option} names {", ".join(unknown)}, but network_g has: {", ".join(modules)}')

    def set_train_mode(self) -> None:
        """Set training mode; frozen modules stay in evaluation mode (statistics, codebook)."""
        self.net_g.train()
        for name in self.frozen:
            getattr(self.get_bare_model(self.net_g), name).eval()

    def print_network(self, net: nn.Module) -> None:
        """Log the parameters of each module; BasicSR's function logs every layer."""
        log_parameters(self.get_bare_model(net))

    def add_optimizer(self, name: str, net: nn.Module) -> torch.optim.Optimizer:
        """Build the torch optimizer of ``train.<name>`` for the trained parameters of ``net``."""
        optimizer = build_optimizer(f'train.{name}', getattr(self.options.train, name), net)
        self.optimizers.append(optimizer)
        return optimizer

    # --------------------------------------------------------------- training

    def optimize_parameters(self, current_iter: int) -> None:
        """Run one iteration: losses and gradients, and every ``accumulate_iters`` a step of the optimizers.

        Nothing in it waits for the device. The result of the iteration before is checked here.

        Raises:
            UserError: More steps in a row than ``max_skipped_steps`` had losses or gradients that are not finite.
        """
        step = current_iter % self.accumulate_iters == 0
        nets = [self.net_g, self.net_d] if self.net_d is not None else [self.net_g]
        self.guard.remember(nets)
        losses = self.compute_gradients(current_iter, step)

        self.iteration = current_iter
        self.losses = OrderedDict((name, value.detach()) for name, value in losses.items())
        flags = self.agree_on(self.losses, nets)
        broken = flags[0].bool()
        self.guard.put_back(broken)
        self.broken = broken if self.broken is None else self.broken | broken
        if step:
            self.step_optimizers(self.broken)
            self.broken = None
        self.check_last_step()
        self.pending_step = PendingStep(flags, current_iter, step, self.losses, self.samples, self.drawn)

    def compute_gradients(self, current_iter: int, step: bool) -> OrderedDict[str, torch.Tensor]:
        """Run the networks on the batch and add up gradients, see :meth:`gradients_for` and :meth:`backward`.

        Args:
            current_iter (int): The iteration.
            step (bool): Whether the optimizers make a step after it.

        Returns:
            OrderedDict: Losses (``l_*``) and other figures for the log, scalar tensors.
        """
        raise NotImplementedError

    def agree_on(self, losses: dict[str, torch.Tensor], nets: Iterable[nn.Module]) -> torch.Tensor:
        """Agree on whether any rank's iteration failed, and whether any rank has been asked to stop.

        Returns:
            Tensor: Both, (2,) uint8 on the device.
        """
        # With loss scaling, gradients may overflow, and the scaler handles them.
        trained = [] if self.scaler.is_enabled() else [p for net in nets for p in net.parameters()]
        finite = all_finite(losses.values(), trained)
        asked_to_stop = torch.full((), stop_request.made(), dtype=torch.bool, device=finite.device)
        flags = torch.stack([~finite, asked_to_stop]).to(torch.uint8)
        if self.opt['dist']:
            torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return flags

    def step_optimizers(self, broken: torch.Tensor) -> None:
        """Make a step of networks, loss scaling and EMA, and drop its gradients.

        Args:
            broken (Tensor): Bool scalar on the device; where it is true nothing but the loss scale changes.
        """
        for optimizer in self.optimizers:
            # The discriminator has no gradients before its first iteration, which loss scaling refuses.
            if any(p.grad is not None for group in optimizer.param_groups for p in group['params']):
                step_unless(broken, optimizer, self.scaler)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        if self.ema_decay > 0:
            self.model_ema(self.ema_decay, broken)

    def check_last_step(self) -> None:
        """Read the result of the last iteration, unless that is done, and report a step that was skipped.

        Every rank must call it after the same iteration.

        Raises:
            UserError: It was one too many.
        """
        last, self.pending_step = self.pending_step, None
        if last is None:
            return
        broken, asked_to_stop = last.read()
        self.stopping = self.stopping or asked_to_stop
        if broken:
            self.guard.broken_iteration = self.guard.broken_iteration or last.iteration
        if last.step and self.guard.broken_iteration:
            self.report_skipped(last)
        elif last.step:
            self.guard.skipped = 0

    def report_skipped(self, last: PendingStep) -> None:
        """Warn of a step that was skipped, and stop the run if it is one too many."""
        self.guard.skipped += 1
        where = f'iteration {self.guard.broken_iteration}: losses or gradients are not finite'
        self.guard.broken_iteration = None
        values = {name: value.item() for name, value in last.losses.items()}
        if self.opt['rank'] == 0 or not np.isfinite(list(values.values())).all():
            for line in last.drawn:
                get_root_logger().error(f'{where}; a sample of the last one was {line}')
        if not self.guard.exhausted:
            get_root_logger().warning(
                f'{where}; skipped, {self.guard.skipped} in a row of '
                f'{self.guard.tolerated} that train.max_skipped_steps allows'
            )
            return
        self.stop_after_skipped(where, values, list(last.samples))

    def stop_after_skipped(self, where: str, values: dict[str, float], samples: list[str]) -> NoReturn:
        """End the run with the losses and samples of the last iteration; every rank calls it.

        Raises:
            SharedError: It names the losses of a rank on which they are not finite, and the samples of all ranks.
        """
        reports = gathered((values, samples))
        not_finite = (losses for losses, _ in reports if not np.isfinite(list(losses.values())).all())
        losses = ', '.join(f'{name} {value:.4g}' for name, value in next(not_finite, values).items())
        named = ', '.join(sample for _, of_rank in reports for sample in of_rank)
        raise SharedError(
            f'{where} ({losses}), as in {self.guard.skipped - 1} steps before it, on {named}; nothing has been '
            f'saved since iteration {self.saved_iteration}: lower the learning rate or look at these samples'
        )

    def gradients_for(self, net: Any, synchronise: bool) -> AbstractContextManager[Any]:
        """Make the context of a forward and backward pass; without ``synchronise`` gradients stay on their rank."""
        return net.no_sync() if self.opt['dist'] and not synchronise else nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of one of ``accumulate_iters`` losses."""
        self.scaler.scale(loss / self.accumulate_iters).backward()

    @torch.no_grad()
    def model_ema(self, decay: float, broken: torch.Tensor) -> None:
        """Move the EMA network towards network_g; buffers (statistics, codebook) are copied.

        Args:
            decay (float): Share of the EMA network that stays.
            broken (Tensor): Bool scalar on the device; where it is true nothing changes.
        """
        net, ema = self.get_bare_model(self.net_g), self.net_g_ema
        trained = [pair for pair in zip(ema.parameters(), net.parameters()) if pair[1].requires_grad]
        weight = torch.full((), 1 - decay, device=broken.device).masked_fill_(broken, 0)
        averages, values = map(list, zip(*trained))
        torch._foreach_lerp_(averages, values, [weight] * len(trained))
        replace_where(~broken, ema.buffers(), net.buffers())

    def get_current_log(self) -> dict[str, float]:
        """Average the losses of the last iteration over ranks; all ranks call it when it is time to log."""
        self.check_last_step()
        return self.reduce_loss_dict(self.losses)

    # ----------------------------------------------------------------- saving

    def network_files(self, iteration: int) -> dict[str, dict[str, Any]]:
        """Return {label: contents of its file}, with the network's options, so that others can rebuild it."""
        nets = {'net_g': {'params': self.net_g}}
        if self.ema_decay > 0:
            nets['net_g']['params_ema'] = self.net_g_ema
        if self.net_d is not None:
            nets['net_d'] = {'params': self.net_d}
        return {
            label: {
                **self.state_dicts(versions),
                'network': plain(self.opt[label.replace('net_', 'network_')]),
                'checkpoint': self.origin(iteration),
            }
            for label, versions in nets.items()
        }

    def state_dicts(self, versions: dict[str, Any]) -> dict[str, dict[str, torch.Tensor]]:
        """Return state dicts of versions of a network; a tensor of params_ema that equals that of params is the same.

        So what a stage does not train is written once.
        """
        states = {key: cpu_state_dict(self.get_bare_model(net)) for key, net in versions.items()}
        params, averages = states['params'], states.get('params_ema', {})
        averages.update({name: params[name] for name, tensor in averages.items() if torch.equal(tensor, params[name])})
        return states
