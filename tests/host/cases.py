"""What BasicSR does in each case that this package mends: ``python cases.py stock|imported|mended`` prints it as JSON.

stock      BasicSR alone; only the module that torchvision dropped is there
imported   with ``import pgtf_basicsr``
mended     with ``pgtf_basicsr.host.mend()`` as well
"""

import contextlib
import io
import json
import logging
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import types
from pathlib import Path
from types import SimpleNamespace


def prepare(mode):
    if mode == 'stock':
        import torchvision.transforms.functional as functional

        module = types.ModuleType('torchvision.transforms.functional_tensor')
        module.rgb_to_grayscale = functional.rgb_to_grayscale
        sys.modules[module.__name__] = module
    else:
        import pgtf_basicsr

        if mode == 'mended':
            pgtf_basicsr.host.mend()


def started(module):
    """Backend that a process without a GPU gets from torchrun's environment."""
    from torch import distributed as dist

    with contextlib.closing(socket.socket()) as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    os.environ.update(RANK='0', LOCAL_RANK='0', WORLD_SIZE='1', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    try:
        module.init_dist('pytorch')
        return dist.get_backend()
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        multiprocessing.set_start_method('fork', force=True)


def init_dist():
    from basicsr.utils import dist_util

    return started(dist_util)


def init_dist_of_options():
    from basicsr.utils import options

    return started(options)


def model_to_device():
    import torch
    from basicsr.models.base_model import BaseModel
    from torch import distributed as dist

    dist.init_process_group('gloo', init_method=f'file://{Path("store").absolute()}', rank=0, world_size=1)
    try:
        model = SimpleNamespace(opt={'dist': True, 'num_gpu': 0}, device=torch.device('cpu'))
        return type(BaseModel.model_to_device(model, torch.nn.Linear(2, 2))).__name__
    finally:
        dist.destroy_process_group()


def validated(model_type, shape, items):
    """PSNR of two datasets with a folder each, whose frames are off by a tenth."""
    import torch

    class Model(model_type):
        center_frame_only = False

        def __init__(self):
            metrics = {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}
            self.opt = {'val': {'metrics': metrics}, 'dist': False, 'is_train': False, 'name': 'x'}
            self.device = torch.device('cpu')

        def feed_data(self, data):
            self.lq, self.gt, self.output = data['lq'].clone(), data['gt'].clone(), data['lq'].clone()

        def test(self):
            pass

    class Dataset(list):
        pass

    model = Model()
    for name in 'ab':
        lq, gt = torch.full(shape, 0.5), torch.full(shape, 0.6)
        dataset = Dataset(
            {'lq': lq.clone(), 'gt': gt.clone(), 'folder': name, 'idx': f'{i}/2', 'lq_path': 'x'} for i in range(items)
        )
        dataset.opt, dataset.data_info = {'name': name}, {'folder': [name, name]}
        with contextlib.redirect_stderr(io.StringIO()):
            model.dist_validation(SimpleNamespace(dataset=dataset), 1, None, False)
    return [round(result['psnr']['val'], 2) for result in model.best_metric_results.values()]


def video_validation():
    from basicsr.models.video_base_model import VideoBaseModel

    return validated(VideoBaseModel, (3, 8, 8), items=2)


def recurrent_validation():
    from basicsr.models.video_recurrent_model import VideoRecurrentModel

    return validated(VideoRecurrentModel, (2, 3, 8, 8), items=1)


def feed_data():
    """Shape of what the model holds after its validation has taken the batch dimension off the item again."""
    import torch
    from basicsr.models.video_recurrent_model import VideoRecurrentModel

    model, data = VideoRecurrentModel.__new__(VideoRecurrentModel), {'lq': torch.zeros(1, 2, 3, 8, 8), 'folder': 'a'}
    model.device = torch.device('cpu')
    model.feed_data(data)
    data['lq'].squeeze_(0)
    return list(model.lq.shape)


def load_resume_state():
    import torch
    from basicsr import train

    folder = Path('experiments/x/training_states')
    folder.mkdir(parents=True)
    for iteration in (4, 12):
        torch.save({'epoch': 0, 'iter': iteration, 'optimizers': [], 'schedulers': []}, folder / f'{iteration}.state')
    found = []
    for auto_resume, name, state in ((False, 'x', folder / '4.state'), (True, 'x', None), (True, 'y', None)):
        opt = {'auto_resume': auto_resume, 'name': name, 'network_g': {}}
        opt['path'] = {'resume_state': state and str(state), 'models': 'models'}
        loaded = train.load_resume_state(opt)
        found.append(loaded and [loaded['iter'], opt['path']['pretrain_network_g']])
    return found


class Broken(list):
    def __getitem__(self, index):
        if index == 1:
            raise ValueError('broken')
        return index


def prefetch():
    from basicsr.data.prefetch_dataloader import PrefetchDataLoader

    found = []

    def iterate():
        try:
            # One by one, so that what came before the error is kept.
            for batch in PrefetchDataLoader(1, dataset=Broken(range(3))):
                found.append(batch.item())  # noqa: PERF401
        except ValueError:
            found.append('ValueError')

    threading.excepthook = lambda _: None
    thread = threading.Thread(target=iterate, daemon=True)
    thread.start()
    thread.join(3)
    return [*found, 'hangs'] if thread.is_alive() else found


class Announced(list):
    draws_by_epoch = True
    epoch = None

    def set_epoch(self, epoch):
        self.epoch = epoch


def announced_epoch():
    """To a dataset that asks for it; and to a foreign one, whose method of the same name may be anything."""
    from basicsr.data.data_sampler import EnlargedSampler

    datasets = [Announced(range(4)), Announced(range(4))]
    datasets[1].draws_by_epoch = False
    for dataset in datasets:
        EnlargedSampler(dataset, 1, 0).set_epoch(7)
    return [dataset.epoch for dataset in datasets]


def get_optimizer():
    import torch
    from basicsr.models.base_model import BaseModel

    parameters = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = BaseModel.get_optimizer(None, 'AdamW', parameters, 1e-3, weight_decay=0.1)
    return [type(optimizer).__name__, optimizer.defaults['weight_decay']]


def model_ema():
    """Statistics of BatchNorm, and a weight of 3 averaged into one of 1."""
    import torch
    from basicsr.models.base_model import BaseModel

    model = SimpleNamespace(
        net_g=torch.nn.BatchNorm1d(2), net_g_ema=torch.nn.BatchNorm1d(2), get_bare_model=lambda net: net
    )
    torch.nn.init.constant_(model.net_g.weight, 3.0)
    model.net_g(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    BaseModel.model_ema(model, decay=0.75)
    return [torch.equal(model.net_g_ema.running_var, model.net_g.running_var), model.net_g_ema.weight.tolist()]


def rates(scheduler, iterations, warmup_iter):
    import torch
    from basicsr.models.base_model import BaseModel

    model = BaseModel({'num_gpu': 0, 'is_train': True, 'train': {'scheduler': scheduler}})
    model.optimizers.append(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0))
    model.setup_schedulers()
    found = []
    for iteration in range(1, iterations + 1):
        model.update_learning_rate(iteration, warmup_iter)
        model.optimizers[0].step()
        found.append(round(model.get_current_learning_rate()[0], 4))
    return found


def learning_rate():
    return rates({'type': 'MultiStepLR', 'milestones': [6], 'gamma': 0.5}, 8, warmup_iter=4)


def cosine():
    return rates({'type': 'CosineAnnealingRestartLR', 'periods': [2], 'eta_min': 0.25}, 5, warmup_iter=-1)


def loaders():
    """Iterations of ten that the loop makes, and whether a worker's draws differ between two epochs."""
    import numpy as np
    import torch
    from basicsr import train
    from basicsr.utils.registry import DATASET_REGISTRY

    class Draws(torch.utils.data.Dataset):
        """Draws from NumPy's global generator, as many do."""

        def __init__(self, opt):
            self.opt = opt

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.random.rand()

    DATASET_REGISTRY.register(Draws)
    section = {'name': 'x', 'type': 'Draws', 'phase': 'train', 'batch_size_per_gpu': 2, 'num_worker_per_gpu': 1}
    opt = {'datasets': {'train': section}, 'manual_seed': 5, 'world_size': 1, 'rank': 0, 'num_gpu': 0, 'dist': False}
    opt['train'] = {'total_iter': 10}
    loader, sampler, _, total_epochs, total_iters = train.create_train_val_dataloader(opt, logging.getLogger('x'))
    epochs = []
    for epoch in range(total_epochs + 1):
        sampler.set_epoch(epoch)
        epochs.append([batch.tolist() for batch in loader])
    return [min(sum(map(len, epochs)), total_iters), epochs[0] != epochs[1]]


HOSTILE = """
name: x
num_gpu: 0
datasets: {}
path: {}
logger: {}
train: {lr: 1e-4}
val: !!python/object/apply:os.mkdir [hacked]
"""


def parsed(pipeline):
    """What of --force_yml and of the option file is evaluated, and what 1e-4 is."""
    done = {}
    for entry in (
        'train:total_iter=[__import__("pathlib").Path("hacked").touch()]',
        'train"][__import__("pathlib").Path("hacked").touch()]:x=1',
    ):
        Path('x.yml').write_text('name: x\nnum_gpu: 0\ndatasets: {}\npath: {}\nlogger: {}\ntrain: {lr: 1e-4}\n')
        sys.argv = ['train.py', '-opt', 'x.yml', '--force_yml', entry]
        with contextlib.suppress(Exception):
            done['number'] = pipeline.parse_options('.', is_train=True)[0]['train']['lr']
        done[entry[:6]] = Path('hacked').exists()
        Path('hacked').unlink(missing_ok=True)
    Path('x.yml').write_text(HOSTILE)
    sys.argv = ['train.py', '-opt', 'x.yml']
    with contextlib.suppress(Exception):
        pipeline.parse_options('.', is_train=True)
    done['file'] = Path('hacked').exists()
    if done['file']:
        Path('hacked').rmdir()
    return list(done.values())


def parse_options_of_train():
    from basicsr import train

    return parsed(train)


def parse_options_of_test():
    from basicsr import test

    return parsed(test)


CASES = {
    'basicsr.train.create_train_val_dataloader': loaders,
    'basicsr.utils.dist_util.init_dist': init_dist,
    'basicsr.utils.options.init_dist': init_dist_of_options,
    'basicsr.models.base_model.BaseModel.model_to_device': model_to_device,
    'basicsr.models.video_base_model.VideoBaseModel.dist_validation': video_validation,
    'basicsr.models.video_recurrent_model.VideoRecurrentModel.dist_validation': recurrent_validation,
    'basicsr.models.video_recurrent_model.VideoRecurrentModel.feed_data': feed_data,
    'basicsr.train.load_resume_state': load_resume_state,
    'basicsr.data.prefetch_dataloader.PrefetchDataLoader.__iter__': prefetch,
    'basicsr.data.data_sampler.EnlargedSampler.set_epoch': announced_epoch,
    'basicsr.models.base_model.BaseModel.get_optimizer': get_optimizer,
    'basicsr.models.base_model.BaseModel.model_ema': model_ema,
    'basicsr.models.base_model.BaseModel.update_learning_rate': learning_rate,
    'basicsr.models.lr_scheduler.CosineAnnealingRestartLR.get_lr': cosine,
    'basicsr.train.parse_options': parse_options_of_train,
    'basicsr.test.parse_options': parse_options_of_test,
}


def outcome(case):
    """What a case returns, or the name of the error that it raises."""
    try:
        return case()
    except Exception as error:
        return f'raises {type(error).__name__}'


def main():
    prepare(sys.argv[1])
    os.environ['CUDA_VISIBLE_DEVICES'] = ''
    os.chdir(tempfile.mkdtemp())
    with contextlib.redirect_stdout(io.StringIO()):
        found = {name: outcome(case) for name, case in CASES.items()}
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    # A thread that hangs would be waited for.
    os._exit(0)


if __name__ == '__main__':
    main()
