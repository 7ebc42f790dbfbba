"""What models of one trained network share: weights, mixed precision, accumulation, EMA, validation, saving."""

import inspect
import os
from collections import OrderedDict
from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from basicsr.utils import get_root_logger, imwrite

from pgtf_process import stop_request

from ..checkpoints import load_weights, origin, state_dict
from ..devices import PRECISIONS
from ..errors import SharedError, UserError
from ..ranks import gathered
from ..training.states import undisturbed_random
from .resumable_model import SAVED, ResumableModel, cpu_state_dict, plain
from .step_guard import PendingStep, StepGuard, all_finite, replace_where, step_unless

__all__ = ['TrainableModel']


class TrainableModel(ResumableModel):
    """Base of the models that BasicSR's loop drives; a subclass says what network_g learns from what.

    Options beyond BasicSR's own, all under ``train``:
        precision (str): fp32, bf16, or fp16 with loss scaling (CUDA only). Default: fp32.
        accumulate_iters (int): Iterations whose gradients make one optimiser step. Default: 1.
        frozen (list[str]): Modules of network_g that do not learn. Default: the model's.
        max_skipped_steps (int): Steps in a row that are skipped because a loss or a gradient is not finite;
            one more stops the run. Default: 3.

    A subclass implements ``feed_data``, which sets ``samples``, the keys of the batch, and ``drawn``, lines that their
    data set can make them again from, if any; and :meth:`init_losses`,
    :meth:`compute_gradients`, :meth:`new_scores` and :meth:`score`.
    """

    # Modules of network_g that do not learn unless `train.frozen` says otherwise.
    default_frozen = ()

    def __init__(self, opt):
        super().__init__(opt)
        if opt['num_gpu'] > 1 and not opt['dist']:
            raise UserError(
                f'num_gpu is {opt["num_gpu"]} in one process: start one process a GPU with torchrun and '
                '--launcher pytorch, or set num_gpu to 1'
            )
        self.set_precision((opt.get('train') or {}).get('precision', 'fp32'))
        self.net_g = self.build('network_g')
        self.load_pretrained(self.net_g, 'network_g')
        if self.is_train:
            self.init_training_settings()
        else:
            self.net_g = self.net_g.to(self.device).eval()

    # ----------------------------------------------------------------- set-up

    def build(self, name):
        """Build the network of the options' section ``name``."""
        options = self.opt[name]
        try:
            return build_network(options)
        except (TypeError, ValueError) as error:
            raise UserError(f'{name}: {options["type"]} cannot be built from these options: {error}') from error

    def load_pretrained(self, net, name, key=None):
        """Load ``path.pretrain_<name>`` into ``net``, if the options name a file; returns whether they do."""
        path_options = self.opt['path']
        path = path_options.get(f'pretrain_{name}')
        if path is None:
            return False
        if path_options.get('resume_state') and name in SAVED:
            key = key or 'params'
        key = key or path_options.get(f'param_key_{name.removeprefix("network_")}')
        get_root_logger().info(f'Loading {type(net).__name__} from {path}.')
        load_weights(net, state_dict(path, key), path)
        return True

    def init_training_settings(self):
        """Freeze, wrap, and build EMA, losses, discriminator, optimisers and schedulers."""
        options = self.opt['train']
        self.accumulate_iters = options.get('accumulate_iters', 1)
        self.freeze(options.get('frozen', self.default_frozen))

        self.ema_decay = options.get('ema_decay', 0)
        if self.ema_decay > 0:
            get_root_logger().info(f'Use Exponential Moving Average with decay: {self.ema_decay}')
            self.net_g_ema = deepcopy(self.net_g).to(self.device).eval().requires_grad_(False)
            if self.opt['path'].get('resume_state'):
                self.load_pretrained(self.net_g_ema, 'network_g', 'params_ema')
        self.net_g = self.model_to_device(self.net_g)
        self.set_train_mode()
        self.print_network(self.net_g)
        self.init_losses()
        self.net_d = self.init_discriminator()

        self.optimizer_g = self.build_optimizer('optim_g', self.net_g)
        self.optimizer_d = self.build_optimizer('optim_d', self.net_d) if self.net_d else None
        self.setup_schedulers()
        self.losses = OrderedDict()
        self.guard = StepGuard(options.get('max_skipped_steps', 3))
        # Whether an iteration since the last step went wrong, on the device; and the last one, till the host asks.
        self.broken = self.pending = None

    def init_losses(self):
        """Build the losses that the options name."""
        raise NotImplementedError

    def init_discriminator(self):
        """Build network_d; None where no loss needs one."""
        return

    def build_loss(self, name):
        """Build the loss of ``train.<name>``; None where there is none, or its ``weights`` is empty."""
        options = self.opt['train'].get(name)
        if not options:
            return None
        if options.get('weights', '') is None:
            get_root_logger().warning(f'{name}: no file of weights given, {options["type"]} is left out.')
            return None
        try:
            return build_loss(options).to(self.device)
        except (TypeError, ValueError) as error:
            raise UserError(f'train.{name}: {options["type"]} cannot be built: {error}') from error

    def set_precision(self, name):
        """Set autocast and loss scaling for fp32, bf16 or fp16."""
        if name not in PRECISIONS or (name == 'fp16' and self.device.type != 'cuda'):
            fitting = [p for p in PRECISIONS if p != 'fp16' or self.device.type == 'cuda']
            raise UserError(
                f'train.precision {name} is not to be had on {self.device.type}: choose one of {", ".join(fitting)}'
            )
        self.precision = PRECISIONS[name]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=name == 'fp16')

    def autocast(self):
        """Context in which forward passes run in the chosen precision."""
        return torch.autocast(self.device.type, dtype=self.precision, enabled=self.precision != torch.float32)

    def freeze(self, names):
        """Let the named modules of network_g learn nothing."""
        unknown = [name for name in names if not hasattr(self.net_g, name)]
        if unknown:
            modules = [name for name, _ in self.net_g.named_children()]
            raise UserError(f'train.frozen names {", ".join(unknown)}, but network_g has: {", ".join(modules)}')
        self.frozen = tuple(names)
        for name in names:
            getattr(self.net_g, name).requires_grad_(False)

    def set_train_mode(self):
        """Training mode for what learns; what is frozen stays in evaluation mode (statistics, codebook)."""
        self.net_g.train()
        for name in self.frozen:
            getattr(self.get_bare_model(self.net_g), name).eval()

    def print_network(self, net):
        """Log the parameters of each module and how many of them learn; BasicSR logs every layer."""
        net = self.get_bare_model(net)
        message = f'Network: {type(net).__name__}, with parameters: {count_parameters(net):,d}'
        for name, module in net.named_children():
            learning = sum(p.numel() for p in module.parameters() if p.requires_grad)
            message += f'\n\t{name}: {count_parameters(module):,d}, of which {learning:,d} learn'
        get_root_logger().info(message)

    def build_optimizer(self, name, net):
        """Build the torch optimiser of ``train.<name>`` for what ``net`` has to learn."""
        options = dict(self.opt['train'][name])
        type_name = options.pop('type')
        optimizer_type = getattr(torch.optim, type_name, None)
        if optimizer_type is None:
            raise UserError(f'train.{name}.type: torch.optim has no {type_name}')
        if 'fused' in inspect.signature(optimizer_type).parameters:
            # One kernel for all parameters, four times as fast as the default even on CPU.
            options.setdefault('fused', True)
        optimizer = optimizer_type([p for p in net.parameters() if p.requires_grad], **options)
        self.optimizers.append(optimizer)
        return optimizer

    # --------------------------------------------------------------- training

    def optimize_parameters(self, current_iter):
        """One iteration: losses and gradients, and every ``accumulate_iters`` a step of the optimisers.

        Nothing in it waits for the device to have computed it. How the iteration before went is looked at here.

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
        self.pending = PendingStep(flags, current_iter, step, self.losses, self.samples, self.drawn)

    def compute_gradients(self, current_iter, step):
        """Run the networks on the batch and add up gradients, see :meth:`gradients_for` and :meth:`backward`.

        Args:
            current_iter (int): The iteration.
            step (bool): Whether the optimisers make a step after it.

        Returns:
            OrderedDict: Losses (``l_*``) and other figures for the log, scalar tensors.
        """
        raise NotImplementedError

    def agree_on(self, losses, nets):
        """Whether any rank's iteration went wrong, and whether any has been asked to stop; the same on all ranks.

        Returns:
            Tensor: Both, (2,) uint8 on the device.
        """
        # With loss scaling, gradients that overflow are part of the game, and the scaler's to handle.
        learning = [] if self.scaler.is_enabled() else [p for net in nets for p in net.parameters()]
        finite = all_finite(losses.values(), learning)
        asked_to_stop = torch.full((), stop_request.made(), dtype=torch.bool, device=finite.device)
        flags = torch.stack([~finite, asked_to_stop]).to(torch.uint8)
        if self.opt['dist']:
            torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return flags

    def step_optimizers(self, broken):
        """Let networks, loss scaling and EMA make a step, and drop its gradients.

        Args:
            broken (Tensor): Bool scalar on the device; where it is true nothing but the loss scale changes.
        """
        for optimizer in self.optimizers:
            # The discriminator has no gradients before its first iteration, which loss scaling would not bear.
            if any(p.grad is not None for group in optimizer.param_groups for p in group['params']):
                step_unless(broken, optimizer, self.scaler)
            optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        if self.ema_decay > 0:
            self.model_ema(self.ema_decay, broken)

    def check_last_step(self):
        """Find out how the last iteration went, unless that is known, and report a step that was skipped.

        Every rank must call it after the same iteration.

        Raises:
            UserError: It was one too many.
        """
        pending, self.pending = self.pending, None
        if pending is None:
            return
        broken, asked_to_stop = pending.read()
        self.stopping = self.stopping or asked_to_stop
        if broken:
            self.guard.broken_iteration = self.guard.broken_iteration or pending.iteration
        if pending.step and self.guard.broken_iteration:
            self.report_skipped(pending)
        elif pending.step:
            self.guard.skipped = 0

    def report_skipped(self, pending):
        """Warn of a step that was skipped, and stop the run if it is one too many."""
        self.guard.skipped += 1
        where = f'iteration {self.guard.broken_iteration}: losses or gradients are not finite'
        self.guard.broken_iteration = None
        values = {name: value.item() for name, value in pending.losses.items()}
        if self.opt['rank'] == 0 or not np.isfinite(list(values.values())).all():
            for line in pending.drawn:
                get_root_logger().error(f'{where}; a sample of the last one was {line}')
        if not self.guard.exhausted:
            get_root_logger().warning(
                f'{where}; skipped, {self.guard.skipped} in a row of '
                f'{self.guard.tolerated} that train.max_skipped_steps allows'
            )
            return
        reports = gathered((values, list(pending.samples)))
        losses = ', '.join(
            f'{name} {value:.4g}'
            for name, value in next(
                (values for values, _ in reports if not np.isfinite(list(values.values())).all()), values
            ).items()
        )
        samples = ', '.join(sample for _, samples in reports for sample in samples)
        raise SharedError(
            f'{where} ({losses}), as in {self.guard.skipped - 1} steps before it, on {samples}; nothing has been '
            f'saved since iteration {self.saved_iteration}: lower the learning rate or look at these samples'
        )

    def gradients_for(self, net, synchronise):
        """Context of a forward and backward pass; without ``synchronise`` gradients stay on their rank."""
        return net.no_sync() if self.opt['dist'] and not synchronise else nullcontext()

    def backward(self, loss):
        """Add the gradients of one of ``accumulate_iters`` losses."""
        self.scaler.scale(loss / self.accumulate_iters).backward()

    @torch.no_grad()
    def model_ema(self, decay, broken):
        """Move the EMA network towards network_g; buffers (statistics, codebook) are taken over as they are.

        Args:
            decay (float): Share of the EMA network that stays.
            broken (Tensor): Bool scalar on the device; where it is true nothing changes.
        """
        net, ema = self.get_bare_model(self.net_g), self.net_g_ema
        learning = [pair for pair in zip(ema.parameters(), net.parameters()) if pair[1].requires_grad]
        weight = torch.full((), 1 - decay, device=broken.device).masked_fill_(broken, 0)
        torch._foreach_lerp_(*map(list, zip(*learning)), [weight] * len(learning))
        replace_where(~broken, ema.buffers(), net.buffers())

    def get_current_log(self):
        """Losses of the last iteration, averaged over ranks; called by all ranks when it is time to log."""
        self.check_last_step()
        return self.reduce_loss_dict(self.losses)

    # ------------------------------------------------------------- validation

    def dist_validation(self, dataloader, current_iter, tb_logger, save_img):
        self.validate(dataloader.dataset, current_iter, tb_logger, save_img)

    def nondist_validation(self, dataloader, current_iter, tb_logger, save_img):
        self.validate(dataloader.dataset, current_iter, tb_logger, save_img)

    def validate(self, dataset, current_iter, tb_logger, save_img):
        """Score all items of a data set, shared out over ranks.

        In training a set is validated once an iteration, draws nothing from the generators that training draws
        from, and is left when the run is asked to stop: the resumed run makes up for it.
        """
        name = dataset.opt['name']
        if self.is_train:
            self.check_last_step()
            # The loop counts one iteration too many when it ends.
            current_iter = min(current_iter, self.opt['train']['total_iter'])
            if self.stopping or self.validated.get(name) == current_iter:
                return
        scores = self.new_scores(name)
        # The bare network: its wrapper would wait for the other ranks.
        net = getattr(self, 'net_g_ema', None) or self.get_bare_model(self.net_g)
        net.eval()
        with undisturbed_random(self.device):
            for index in range(self.opt['rank'], len(dataset), self.opt['world_size']):
                if self.is_train and stop_request.made():
                    break
                label, strip = self.score(net, dataset, index, scores, save_img)
                if save_img and strip is not None:
                    self.save_strip(name, label, current_iter, strip)
                    if tb_logger:
                        tb_logger.add_image(f'{name}/{label}', strip, current_iter, dataformats='HWC')
        if self.is_train:
            self.set_train_mode()
            self.stopping = any(gathered(stop_request.made()))
            if self.stopping:
                return
            self.validated[name] = current_iter
        self.report(scores.gathered(), name, current_iter, tb_logger)

    def check_data_set(self, dataset):
        """Refuse a validation or test set that cannot be scored, before the run starts.

        Raises:
            UserError: It says which clip and why.
        """

    def new_scores(self, data_set):
        """Scores without an item; see :class:`~pgtf_basicsr.models.validation.ClipScores` for what they must have."""
        raise NotImplementedError

    def score(self, net, dataset, index, scores, save_img):
        """Run the network on an item of a validation set and add it to the scores; a test saves what came of it.

        Returns:
            tuple: The item's name, and a picture (H, W, 3) uint8 RGB for the folder of visualizations, or None.
        """
        raise NotImplementedError

    def save_strip(self, dataset_name, label, current_iter, strip):
        """Save an item's picture."""
        suffix = self.opt['val'].get('suffix') or current_iter
        imwrite(
            strip[..., ::-1],
            os.path.join(self.opt['path']['visualization'], dataset_name, label, f'strip_{suffix}.png'),
        )

    def report(self, scores, dataset_name, current_iter, tb_logger):
        """Log the scores, BasicSR's way; rank 0 alone. A test saves them as well."""
        if self.opt['rank'] != 0 or not len(scores):
            return
        best_results = self.best_metric_results.setdefault(
            dataset_name,
            {
                metric: {'better': better, 'val': float('-inf' if better == 'higher' else 'inf'), 'iter': -1}
                for metric, better in scores.directions().items()
            },
        )
        message = f'Validation {dataset_name}\n'
        for metric, (value, baseline) in scores.means().items():
            self._update_best_metric_result(dataset_name, metric, value, current_iter)
            best = best_results[metric]
            message += (
                f'\t # {metric}: {value:.4f}\t({scores.baseline}: {baseline:.4f})'
                f'\tBest: {best["val"]:.4f} @ {best["iter"]} iter\n'
            )
            if tb_logger:
                tb_logger.add_scalar(f'metrics/{dataset_name}/{metric}', value, current_iter)
        get_root_logger().info(message)
        if not self.is_train:
            self.save_results(scores)

    def save_results(self, scores):
        """Save the scores of a test, with metrics_<data set>.json among the files."""
        raise NotImplementedError

    # ----------------------------------------------------------------- saving

    def network_files(self, iteration):
        """{label: contents of its file}; with the network's options, so that others can rebuild it."""
        nets = {'net_g': {'params': self.net_g}}
        if self.ema_decay > 0:
            nets['net_g']['params_ema'] = self.net_g_ema
        if self.net_d is not None:
            nets['net_d'] = {'params': self.net_d}
        return {
            label: {
                **{key: cpu_state_dict(self.get_bare_model(net)) for key, net in versions.items()},
                'network': plain(self.opt[label.replace('net_', 'network_')]),
                'checkpoint': origin(iteration, self.opt.get('option_file')),
            }
            for label, versions in nets.items()
        }


def count_parameters(net):
    """Number of values in the parameters of a network."""
    return sum(p.numel() for p in net.parameters())
