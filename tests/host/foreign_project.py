"""A project that knows BasicSR alone: four trainings in its loop, and its functions called by themselves.

``main(mode)`` runs them in the current folder, in which ``write`` has put data and options:

stock           BasicSR alone; all that is added is what lets it run here at all
import_before   ``import pgtf_basicsr``, then BasicSR
import_after    BasicSR and its ``train_pipeline``, then ``import pgtf_basicsr``
"""

import hashlib
import json
import logging
import sys
import types
from pathlib import Path
from types import SimpleNamespace

MODES = ('stock', 'import_before', 'import_after')
DATA = """
num_gpu: 0
manual_seed: 3
path: {}
logger: {print_freq: 1, save_checkpoint_freq: 3, use_tb_logger: false}
"""
IMAGES = """
scale: 1
datasets:
  train:
    name: images
    type: PairedImageDataset
    dataroot_gt: gt
    dataroot_lq: lq
    io_backend: {type: disk}
    gt_size: 16
    use_hflip: true
    use_rot: true
    batch_size_per_gpu: 2
    num_worker_per_gpu: 1
    dataset_enlarge_ratio: 5
  val: {name: images, type: PairedImageDataset, dataroot_gt: gt, dataroot_lq: lq, io_backend: {type: disk}}
network_g: {type: Small}
"""
CLIPS = """
scale: 4
datasets:
  train:
    name: clips
    type: %s
    dataroot_gt: clips_gt
    dataroot_lq: clips_lq
    meta_info_file: clips.txt
    io_backend: {type: disk}
    num_frame: %d
    gt_size: 16
    random_reverse: true
    flip_sequence: true
    use_hflip: true
    use_rot: true
    batch_size_per_gpu: 1
    num_worker_per_gpu: 1
    dataset_enlarge_ratio: 4
  val:
    name: Vid4
    type: %s
    dataroot_gt: clips_gt/0
    dataroot_lq: clips_lq/0
    io_backend: {type: disk}
    cache_data: true
    num_frame: %d
    padding: reflection
"""
# Options of each training, by its name.
TRAININGS = {
    'sr': f"""{DATA}{IMAGES}
model_type: SRModel
train:
  total_iter: 14
  warmup_iter: 4
  ema_decay: 0.9
  optim_g: {{type: Adam, lr: !!float 1e-3, betas: !!python/tuple [0.9, 0.99]}}
  scheduler: {{type: MultiStepLR, milestones: [8, 11], gamma: 0.5}}
  pixel_opt: {{type: L1Loss, loss_weight: 1.0}}
val: {{val_freq: 7, save_img: false, metrics: {{psnr: {{type: calculate_psnr, crop_border: 0}}}}}}
""",
    'gan': f"""{DATA}{IMAGES}
model_type: SRGANModel
network_d: {{type: UNetDiscriminatorSN, num_in_ch: 3, num_feat: 8}}
train:
  total_iter: 6
  warmup_iter: 3
  ema_decay: 0.9
  optim_g: {{type: Adam, lr: !!float 1e-3}}
  optim_d: {{type: Adam, lr: !!float 1e-3}}
  scheduler: {{type: MultiStepLR, milestones: [5], gamma: 0.5}}
  pixel_opt: {{type: L1Loss, loss_weight: 1.0}}
  gan_opt: {{type: GANLoss, gan_type: vanilla, real_label_val: 1.0, fake_label_val: 0.0, loss_weight: 0.1}}
  net_d_iters: 1
  net_d_init_iters: 1
val: {{val_freq: 3, save_img: false, metrics: {{psnr: {{type: calculate_psnr, crop_border: 0}}}}}}
""",
    'video': f"""{DATA}{CLIPS % ('Vimeo90KDataset', 3, 'VideoTestDataset', 3)}
model_type: VideoBaseModel
network_g:
  type: EDVR
  num_feat: 8
  num_frame: 3
  deformable_groups: 2
  num_extract_block: 1
  num_reconstruct_block: 1
train:
  total_iter: 6
  warmup_iter: 3
  ema_decay: 0.9
  optim_g: {{type: Adam, lr: !!float 1e-3}}
  scheduler: {{type: CosineAnnealingRestartLR, periods: [6], eta_min: !!float 1e-5}}
  pixel_opt: {{type: CharbonnierLoss, loss_weight: 1.0}}
val: {{val_freq: 3, save_img: false, metrics: {{psnr: {{type: calculate_psnr, crop_border: 0}}}}}}
""",
    'recurrent': f"""{DATA}{CLIPS % ('Vimeo90KRecurrentDataset', 7, 'VideoRecurrentTestDataset', 7)}
model_type: VideoRecurrentModel
network_g: {{type: SmallRecurrent}}
train:
  total_iter: 6
  fix_flow: 3
  flow_lr_mul: 0.25
  ema_decay: 0.9
  optim_g: {{type: Adam, lr: !!float 1e-3}}
  scheduler: {{type: MultiStepLR, milestones: [4], gamma: 0.5}}
  pixel_opt: {{type: L1Loss, loss_weight: 1.0}}
val: {{val_freq: 3, save_img: false, metrics: {{psnr: {{type: calculate_psnr, crop_border: 0}}}}}}
""",
}


def write(folder):
    """Write data and options."""
    import cv2
    import numpy as np

    draw = np.random.default_rng(0)

    def write_image(path, height, width):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw.integers(0, 256, (height, width, 3), dtype=np.uint8))

    for kind, size in (('gt', 32), ('lq', 8)):
        for number in range(3):
            write_image(folder / kind / f'{number}.png', 20, 24)
        for clip in ('0/0', '0/1'):
            for frame in range(1, 8):
                write_image(folder / f'clips_{kind}' / clip / f'im{frame}.png', size, size)
    (folder / 'clips.txt').write_text('0/0 7 (32,32,3)\n0/1 7 (32,32,3)\n')
    for name, options in TRAININGS.items():
        (folder / f'{name}.yml').write_text(f'name: {name}\n{options}')


def main(mode):
    """Run the trainings, and write what the functions do to ``functions.json``."""
    if mode == 'import_before':
        import pgtf_basicsr
    else:
        give_back_functional_tensor()
    from basicsr.train import train_pipeline

    if mode == 'import_after':
        import pgtf_basicsr  # noqa: F401
    if mode == 'stock':
        score_on_cpu()
    register_networks()
    for name in TRAININGS:
        close_log()
        sys.argv = ['train.py', '-opt', f'{name}.yml']
        train_pipeline('.')
    close_log()
    Path('functions.json').write_text(json.dumps(functions()))


def give_back_functional_tensor():
    """The module without which BasicSR does not import: torchvision has dropped it."""
    import torchvision.transforms.functional as functional

    module = types.ModuleType('torchvision.transforms.functional_tensor')
    module.rgb_to_grayscale = functional.rgb_to_grayscale
    sys.modules[module.__name__] = module


def score_on_cpu():
    """Let validations of videos run without a GPU.

    Tables of scores are made on 'cuda'.  Where frames are not copied to one, the model of recurrent networks takes the
    dimension of the batch away from those that it has just got.
    """
    import torch
    from basicsr.models import video_base_model, video_recurrent_model

    def zeros(*size, device, **options):
        assert device == 'cuda'
        return torch.zeros(*size, **options)

    for module in (video_base_model, video_recurrent_model):
        module.torch = SimpleNamespace(**{**vars(torch), 'zeros': zeros})

    def feed_data(self, data):
        video_base_model.VideoBaseModel.feed_data(self, {**data, 'lq': data['lq'].clone(), 'gt': data['gt'].clone()})

    video_recurrent_model.VideoRecurrentModel.feed_data = feed_data


def register_networks():
    import torch
    from basicsr.utils.registry import ARCH_REGISTRY
    from torch import nn

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            layers = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)
            self.body = nn.Sequential(*layers)

        def forward(self, x):
            return x + self.body(x)

    class SmallRecurrent(nn.Module):
        """In the shapes of BasicVSR, whose own SPyNet takes images above 32 pixels only."""

        def __init__(self):
            super().__init__()
            self.spynet = nn.Conv2d(6, 8, 3, padding=1)
            self.body = nn.Conv2d(3 + 8 + 8, 8, 3, padding=1)
            self.upsample = nn.Sequential(nn.Conv2d(8, 48, 3, padding=1), nn.PixelShuffle(4))

        def forward(self, x):
            state, outputs = x.new_zeros(len(x), 8, *x.shape[-2:]), []
            for last, frame in zip([x[:, 0], *x.unbind(1)], x.unbind(1)):
                motion = self.spynet(torch.cat([last, frame], 1))
                state = self.body(torch.cat([frame, motion, state], 1)).relu()
                outputs.append(self.upsample(state))
            return torch.stack(outputs, 1)

    for network in (Small, SmallRecurrent):
        ARCH_REGISTRY.register(network)


def close_log():
    """Close the log of a training, into which BasicSR would write the next one's."""
    from basicsr.utils.logger import initialized_logger

    initialized_logger.clear()
    logging.getLogger('basicsr').handlers.clear()


def functions():
    """Results of functions of BasicSR's two pipelines, each called by itself."""
    from basicsr import test, train
    from basicsr.utils.options import parse_options

    sys.argv = ['train.py', '-opt', 'sr.yml']
    opt, _ = parse_options('.', is_train=True)
    found = {'load_resume_state': train.load_resume_state(opt)}
    loader, sampler, val_loaders, *counts = train.create_train_val_dataloader(opt, logging.getLogger('basicsr'))
    sampler.set_epoch(0)
    found['create_train_val_dataloader'] = [len(loader), len(val_loaders), *counts, digest(next(iter(loader)))]
    for pipeline, is_train in ((train, True), (test, False)):
        model = pipeline.build_model({**opt, 'is_train': is_train})
        found[f'{pipeline.__name__}.build_model'] = [type(model).__name__, digest(model.net_g.state_dict())]
    dataset = test.build_dataset(opt['datasets']['val'])
    found['build_dataset'] = [type(dataset).__name__, len(dataset), digest(dataset[0])]
    return found


def digest(tensors):
    """Of the bits of all tensors in a dict."""
    return hashlib.sha256(
        b''.join(value.numpy().tobytes() for value in tensors.values() if hasattr(value, 'numpy'))
    ).hexdigest()
