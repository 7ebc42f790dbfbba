"""Nothing good is refused: the shipped files, variations of them, and those of BasicSR's own models and of plugins."""

import pytest
import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY
from pydantic import Field

from pgtf_basicsr import config
from pgtf_basicsr.config.schema import DataSetOptions, RunOptions, TrainOptions
from pgtf_basicsr.errors import UserError
from pgtf_command import run_command as main

from ..helpers.mutations import OPTIONS, replaced
from ..helpers.quickstart import QUICKSTART, write_options
from ..helpers.stand_ins import SHIPPED

STAGE_1, STAGE_4, TEST = 'stage1.yml', 'stage4.yml', 'test.yml'


def check(opt, folder, is_train):
    config.check(config.read(write_options(folder, opt)), is_train)


def mistakes(opt, folder, is_train=True):
    with pytest.raises(UserError) as refusal:
        check(opt, folder, is_train)
    return str(refusal.value).splitlines()


def test_shipped_files_have_no_mistakes(project, capsys):
    assert main(['check-options', *map(str, SHIPPED)]) == 0
    assert capsys.readouterr().out.splitlines() == [f'{path}: no mistakes' for path in SHIPPED]


@pytest.mark.parametrize(
    'name, old, new',
    [
        (STAGE_1, 'manual_seed: 0', 'manual_seed: ~'),
        (
            STAGE_1,
            'manual_seed: 0',
            'dist_params: {backend: gloo, port: 29500, timeout: 5}\nfind_unused_parameters: true',
        ),
        (STAGE_1, 'num_gpu: auto', 'num_gpu: 0'),
        (
            STAGE_1,
            'resume_state: ~',
            'keep_checkpoints: 3\n  ignore_resume_networks: [network_d]\n  strict_load_g: true',
        ),
        (STAGE_1, 'path:\n  resume_state: ~', 'path: {}'),
        (STAGE_1, '  ema_decay: 0.99', '  max_skipped_steps: 0\n  accumulate_iters: 8\n  frozen: [codebook]'),
        (STAGE_1, '  ema_decay: 0.99', '  activation_checkpointing: true\n  precision: bf16'),
        (STAGE_1, 'lr: 1e-3\n    betas: [0.5, 0.9]', 'lr: 1\n    betas: [0.0, 0.9]\n    amsgrad: true'),
        (STAGE_1, 'type: Adam\n    lr: 1e-3\n    betas: [0.5, 0.9]', 'type: SGD\n    lr: 0.1\n    momentum: 0.9'),
        (STAGE_1, 'type: Adam\n    lr: 1e-3\n    betas: [0.5, 0.9]', 'type: AdamW\n    lr: 0.1\n    foreach: ~'),
        (STAGE_1, 'periods: [800]', 'periods: [400, 400]\n    restart_weights: [1, 0.5]'),
        (
            STAGE_1,
            'type: CosineAnnealingRestartLR\n    periods: [800]\n    eta_min: 5e-5',
            'type: MultiStepLR\n    milestones: []',
        ),
        (
            STAGE_1,
            'type: CosineAnnealingRestartLR\n    periods: [800]\n    eta_min: 5e-5',
            'type: MultiStepRestartLR\n    milestones: [3, 3]\n    restarts: [0, 5]\n    restart_weights: [1, 0.5]',
        ),
        (STAGE_1, 'gan_opt:\n    type: AdaptiveGANLoss\n    loss_weight: 0.1', 'gan_opt: ~'),
        (STAGE_1, 'type: L1Loss\n    loss_weight: 1.0', 'type: CharbonnierLoss\n    loss_weight: 2\n    eps: 1e-6'),
        (STAGE_1, 'loss_weight: 1.0', 'loss_weight: 1'),
        (
            STAGE_1,
            'num_worker_per_gpu: 0',
            'num_worker_per_gpu: 2\n    persistent_workers: true\n    prefetch_mode: cpu',
        ),
        (STAGE_1, 'num_worker_per_gpu: 0', 'num_worker_per_gpu: 0\n    prefetch_mode: ~\n    io_backend: {type: disk}'),
        (
            STAGE_1,
            'dataroot_gt: datasets/sample/train/GT',
            'dataroot_gt: https://example.org/GT\n    filename_ext: mp4',
        ),
        (STAGE_1, 'num_worker_per_gpu: 0', 'num_worker_per_gpu: 0\n    interval: [1, 2]\n    clip_weights: frames'),
        (STAGE_1, 'sigma: [0.5, 1.5]', 'sigma: [0.5, 1.5]\n      variant: bfvr_stc'),
        (STAGE_1, 'num_worker_per_gpu: 0', 'num_worker_per_gpu: 0\n    seed: 5\n    interval: 2\n    max_frames: ~'),
        (
            STAGE_1,
            'dataroot_landmarks: datasets/sample/train/landmarks',
            'dataroot_landmarks: ~\n    meta_info_file: ~',
        ),
        (STAGE_1, 'scale: [2, 3]', 'scale: [4, 4]\n      resize_back: false\n      codec: libx265'),
        (STAGE_1, 'degradation: *degradation', 'degradation: ~'),
        (STAGE_1, '  val:\n', '  val_2:\n'),
        (STAGE_1, 'val_freq: 1000000', 'val_freq: 1\n  suffix: x'),
        (STAGE_1, 'val_freq: 1000000', 'val_freq: 1\n  reconstruct: lq'),
        (STAGE_1, '      type: calculate_msrl', '      type: calculate_msrl\n      better: lower\n      scales: [2]'),
        (
            STAGE_1,
            '      type: calculate_msrl',
            '      type: calculate_niqe\n      crop_border: 0\n      better: lower',
        ),
        (STAGE_1, '  use_tb_logger: true', '  use_tb_logger: true\n  wandb: {project: ~, resume_id: ~}'),
        (STAGE_4, 'stage: 4', 'stage: 3'),
        (STAGE_4, '  predictor_width: 64', '  predictor_width: 64\n  adain: false'),
        (STAGE_4, 'type: L1Loss', 'type: GradientL1Loss\n    temporal_weight: 0'),
        (STAGE_4, 'type: CodeCrossEntropyLoss', 'type: CodeFocalLoss\n    gamma: 0'),
        (STAGE_4, 'type: CodeCrossEntropyLoss', 'type: CodeCrossEntropyLoss\n    label_smoothing: 0.1'),
        (TEST, 'fidelity: 1.0', 'fidelity: 0'),
        (TEST, 'scale: [0.93, 1.07]', 'scale: [1, 1]'),
    ],
    ids=str,
)
def test_good_variations(name, old, new, project):
    (project / 'good.yml').write_text(replaced(name, old, new))
    file = config.read('good.yml')
    config.check(file, file.is_for_training)


def test_a_test_of_a_training_file_needs_no_data_to_train_on(project):
    opt = config.load(QUICKSTART / 'stage3.yml')
    opt['datasets']['train'].update(dataroot_gt='nowhere', dataroot_landmarks='nowhere')
    opt['path']['pretrain_network_vqgan'] = 'nowhere.pth'
    check(opt, project, is_train=False)
    assert len(mistakes(opt, project)) == 3
    opt['train']['comitment_weight'] = 3
    (line,) = mistakes(opt, project, is_train=False)
    assert 'train.comitment_weight: there is no such option' in line


FOREIGN_RUNS = {
    'EDVR': dict(
        model_type='EDVRModel',
        network=dict(
            type='EDVR',
            num_in_ch=3,
            num_out_ch=3,
            num_feat=8,
            num_frame=3,
            deformable_groups=2,
            num_extract_block=1,
            num_reconstruct_block=1,
            center_frame_idx=1,
            with_tsa=False,
            with_predeblur=False,
            hr_in=False,
        ),
        train=dict(tsa_iter=5, dcn_lr_mul=1),
        dataset=dict(gt_frames='centre'),
    ),
    'BasicVSR': dict(
        model_type='VideoRecurrentModel',
        network=dict(type='BasicVSR', num_feat=8, num_block=1),
        train=dict(fix_flow=0, flow_lr_mul=0.125),
        dataset=dict(gt_size=256),
    ),
    'SRModel': dict(
        model_type='SRModel',
        network=dict(
            type='EDSR',
            num_in_ch=3,
            num_out_ch=3,
            num_feat=64,
            num_block=16,
            upscale=2,
            res_scale=0.1,
            img_range=255.0,
            rgb_mean=[0.4488, 0.4371, 0.4040],
        ),
        train=dict(),
        dataset=dict(),
    ),
    'SwinIR': dict(
        model_type='SwinIRModel',
        network=dict(
            type='SwinIR',
            upscale=2,
            in_chans=3,
            img_size=48,
            window_size=8,
            img_range=1.0,
            depths=[6, 6],
            embed_dim=180,
            num_heads=[6, 6],
            mlp_ratio=2,
            upsampler=None,
            resi_connection='1conv',
        ),
        train=dict(),
        dataset=dict(),
    ),
    'RealESRNet': dict(
        model_type='RealESRNetModel',
        network=dict(type='RRDBNet', num_in_ch=3, num_out_ch=3, num_feat=64, num_block=23, num_grow_ch=32),
        train=dict(),
        dataset=dict(),
        top=dict(resize_prob=[0.2, 0.7, 0.1], gaussian_noise_prob=0.5, queue_size=180),
    ),
}


def foreign_options(name):
    case = FOREIGN_RUNS[name]
    return {
        'name': name,
        'model_type': case['model_type'],
        'num_gpu': 0,
        'manual_seed': 0,
        'scale': 4,
        **case.get('top', {}),
        'datasets': {
            'train': {
                'name': 'sample',
                'type': 'VFHQDataset',
                'dataroot_gt': 'datasets/sample/train/GT',
                'gt_size': 64,
                'batch_size_per_gpu': 1,
                'num_worker_per_gpu': 0,
                **case['dataset'],
            },
            'val': {
                'name': 'REDS4',
                'type': 'VideoTestDataset',
                'dataroot_gt': 'datasets/sample/test/GT',
                'dataroot_lq': 'datasets/sample/test/GT',
                'io_backend': {'type': 'disk'},
                'cache_data': False,
                'num_frame': 5,
                'padding': 'reflection_circle',
            },
        },
        'network_g': case['network'],
        'path': {'pretrain_network_g': None, 'strict_load_g': True, 'resume_state': None},
        'train': {
            'ema_decay': 0.999,
            'total_iter': 2,
            'warmup_iter': -1,
            **case['train'],
            'optim_g': {'type': 'Adam', 'lr': 4e-4, 'weight_decay': 0, 'betas': [0.9, 0.99]},
            'scheduler': {'type': 'CosineAnnealingRestartLR', 'periods': [2], 'restart_weights': [1], 'eta_min': 1e-7},
            'pixel_opt': {'type': 'CharbonnierLoss', 'loss_weight': 1.0, 'reduction': 'mean'},
            'perceptual_opt': {
                'type': 'PerceptualLoss',
                'layer_weights': {'conv5_4': 1},
                'perceptual_weight': 1.0,
                'style_weight': 0,
                'criterion': 'l1',
            },
        },
        'val': {
            'val_freq': 5000,
            'save_img': False,
            'pbar': False,
            'flip_seq': False,
            'metrics': {'psnr': {'type': 'calculate_psnr', 'crop_border': 0, 'test_y_channel': False}},
        },
        'logger': {
            'print_freq': 1,
            'save_checkpoint_freq': 2,
            'use_tb_logger': False,
            'wandb': {'project': None, 'resume_id': None},
        },
        'dist_params': {'backend': 'nccl', 'port': 29500},
        'find_unused_parameters': True,
    }


@pytest.mark.parametrize('name', FOREIGN_RUNS)
def test_basicsrs_own_models_are_checked_as_far_as_they_are_known(name, project):
    check(foreign_options(name), project, is_train=True)
    opt = foreign_options(name)
    opt['train']['totl_iter'] = opt['train'].pop('total_iter')
    opt['network_g']['num_fet'] = 3
    opt['val']['metrics']['psnr']['crop_boarder'] = 3
    opt['train']['pixel_opt']['loss_weight'] = '1'
    opt['path']['models'] = 'models'
    found = ' '.join(mistakes(opt, project))
    for text in (
        'train.totl_iter: there is no such option; did you mean total_iter?',
        'val.metrics.psnr.crop_boarder: there is no such option',
        "train.pixel_opt.loss_weight is '1'",
        'path.models: there is no such option',
    ):
        assert text in found
    # SwinIR takes any argument and drops those that it does not know.
    assert 'network_g.num_fet: there is no such option' in found or name == 'SwinIR'


@pytest.fixture
def plugin():
    """A foreign plugin's network, data set, metric and model, registered for one test."""

    class Rain(torch.nn.Module):
        def __init__(self, drops: int = 3, angle: float | None = None, sort: str = 'fine', **kwargs):
            super().__init__()

    class RainSet(torch.utils.data.Dataset):
        option_types = RainSetOptions

        def __init__(self, opt):
            self.opt = opt

    class RainModel:
        option_types = RainRun

        def __init__(self, opt):
            self.opt = opt

    def calculate_rain(img, img2, factor=1.0, **kwargs):
        return factor

    registered = (
        (ARCH_REGISTRY, Rain),
        (DATASET_REGISTRY, RainSet),
        (MODEL_REGISTRY, RainModel),
        (METRIC_REGISTRY, calculate_rain),
    )
    for registry, item in registered:
        registry.register(item)
    yield
    for registry, item in registered:
        del registry._obj_map[item.__name__]


class RainSetOptions(DataSetOptions):
    """A data set that knows one key of its own."""

    is_open = False
    clouds: int = Field(ge=1, description='clouds in each picture')


class RainTraining(TrainOptions):
    """Training with one key more."""

    rain_weight: float = Field(1.0, ge=0, description='weight of the rain loss')


class RainRun(RunOptions):
    """A model that describes its training."""

    train: RainTraining | None = Field(None, description='how to train')


def rain():
    return {
        'name': 'rain',
        'model_type': 'RainModel',
        'num_gpu': 0,
        'path': {},
        'network_g': {'type': 'Rain', 'wind': 3},
        'datasets': {
            'train': {'name': 'rain', 'type': 'RainSet', 'clouds': 2, 'batch_size_per_gpu': 1, 'num_worker_per_gpu': 0}
        },
        'train': {
            'total_iter': 2,
            'rain_weight': 2,
            'umbrella': [1, 2],
            'optim_g': {'type': 'Adam', 'lr': 1e-4},
            'scheduler': {'type': 'MultiStepLR', 'milestones': []},
        },
        'val': {
            'val_freq': 1,
            'save_img': False,
            'metrics': {'rain': {'type': 'calculate_rain', 'factor': 2, 'unknown': 3}},
        },
        'logger': {'print_freq': 1, 'save_checkpoint_freq': 2, 'use_tb_logger': False},
    }


def test_a_plugin_describes_its_own_options(plugin, tmp_path):
    check(rain(), tmp_path, is_train=True)
    opt = rain()
    opt['datasets']['train'].update(clouds=0, sun=1)
    opt['train']['rain_weight'] = 'heavy'
    opt['network_g'].update(angle='steep', drps=4)
    opt['val']['metrics']['rain'] = {'type': 'calculate_rain', 'facter': 2}
    found = ' '.join(mistakes(opt, tmp_path))
    for text in (
        'datasets.train.clouds is 0; it must be 1 or more',
        'datasets.train.sun: there is no such option',
        "train.rain_weight is 'heavy'; it must be a number",
        "network_g.angle is 'steep'; it must be a number",
        'network_g.drps: there is no such option; did you mean drops?',
        'did you mean factor?',
    ):
        assert text in found


def test_each_file_for_itself(project, capsys):
    """Several files at once: the good ones are named as such, the mistakes of all others told."""
    (project / 'bad.yml').write_text(replaced(STAGE_1, 'gt_size', 'gtsize'))
    good = str(OPTIONS / STAGE_1)
    assert main(['check-options', 'bad.yml', good, 'none.yml']) == 2
    captured = capsys.readouterr()
    assert captured.out == f'{good}: no mistakes\n'
    assert 'bad.yml, line 13: datasets.train.gtsize' in captured.err and 'none.yml' in captured.err


def test_no_file_at_all(capsys):
    assert main(['check-options']) == 2
    assert 'name one or more option files' in capsys.readouterr().err


def test_plain_yaml_and_options_agree():
    for path in SHIPPED:
        assert yaml.safe_load(path.read_text()).keys() == config.load(path).keys()
