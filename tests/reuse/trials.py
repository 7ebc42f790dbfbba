"""Tries a registered name where a user would put it: one iteration or one validation of a real model."""

from types import SimpleNamespace

import torch
from basicsr.data import build_dataset
from basicsr.models import build_model

from ..helpers.quickstart import parsing_options
from ..helpers.training_steps import batch, make

TINY_VQGAN = {
    'type': 'TSVQGAN',
    'image_size': 32,
    'width': 32,
    'multipliers': [1, 1, 2],
    'swin_levels': [8],
    'num_heads': 2,
    'z_channels': 32,
    'codebook_size': 16,
    'codebook_dim': 32,
}
PREDICTOR = {'predictor_width': 32, 'predictor_layers': 1, 'predictor_heads': 2, 'predictor_mlp': 32}
NETWORKS = {
    'TSVQGAN': TINY_VQGAN,
    'PGTFormer': {**TINY_VQGAN, **PREDICTOR, 'type': 'PGTFormer', 'tfr_levels': [16, 8]},
    'FaceParsingNet': {'type': 'FaceParsingNet', 'num_classes': 3},
    'VQGANDiscriminator': {'type': 'VQGANDiscriminator', 'num_feat': 8, 'num_layers': 1},
}
IMAGE_NETWORK = {'type': 'SRVGGNetCompact', 'num_feat': 8, 'num_conv': 1, 'upscale': 1}
STOCK = {'image': 'SRModel', 'video': 'VideoRecurrentModel'}
GAN = {'image': 'SRGANModel', 'video': 'VideoRecurrentGANModel'}
ADAM = {'type': 'Adam', 'lr': 1e-3}


def adapted(network, **options):
    return {'type': 'SingleOutputNetwork', 'network': network, **options}


NETWORK_OF = {'image': IMAGE_NETWORK, 'video': adapted(IMAGE_NETWORK)}


def stock(model_type, network_g, train=None, metrics=None, **more):
    """One of BasicSR's models, built as BasicSR's loop builds it."""
    torch.manual_seed(0)
    scheduler = {'type': 'MultiStepLR', 'milestones': [10], 'gamma': 0.5}
    defaults = {'total_iter': 2, 'optim_g': dict(ADAM), 'optim_d': dict(ADAM), 'scheduler': scheduler, 'fix_flow': 0}
    opt = {
        'name': 'x',
        'model_type': model_type,
        'num_gpu': 0,
        'is_train': train is not None,
        **dict(dist=False, rank=0, world_size=1, path={}, datasets={}),
        'network_g': network_g,
        'train': {**defaults, **(train or {})},
        'val': {'save_img': False, 'metrics': metrics or {'psnr': {'type': 'calculate_psnr', 'crop_border': 0}}},
        **more,
    }
    return build_model(opt)


def frames(column):
    clip = batch(size=2)
    return {'image': {key: clip[key][:, 0] for key in clip}, 'video': clip}[column]


def step(model, data):
    model.feed_data(data)
    model.optimize_parameters(1)
    log = model.get_current_log()
    assert log and all(torch.isfinite(torch.as_tensor(value)) for value in log.values())
    return log


def train(column, network_g, data=None, model_type=None, **options):
    """An iteration of one of BasicSR's models; returns the model."""
    model = stock(model_type or STOCK[column], network_g, {'pixel_opt': {'type': 'L1Loss'}, **options})
    step(model, data or frames(column))
    return model


def validate(model, dataset):
    """A validation of one of BasicSR's models; returns the scores."""
    loader = torch.utils.data.DataLoader(dataset)
    model.validation(loader, 1, None)
    (results,) = model.best_metric_results.values()
    return {name: result['val'] for name, result in results.items()}


class Files(SimpleNamespace):
    """Files that trials need: folders ``clips``, ``labelled`` and ``weights``; files ``alex``, ``vgg`` and ``i3d``."""

    def dataset(self, type_name='VFHQDataset', **options):
        section = {'type': type_name, 'name': 'clips', 'phase': 'val', 'dataroot_gt': str(self.clips), 'gt_size': 64}
        return build_dataset({**section, 'max_frames': 2, **options})


class Images(list):
    """A validation set of images, as PairedImageDataset has them."""

    opt = {'name': 'images'}

    @classmethod
    def of(cls, clip):
        pairs = zip(clip['lq'], clip['gt'])
        return cls({'lq': lq, 'gt': gt, 'lq_path': f'{number}.png'} for number, (lq, gt) in enumerate(pairs))


# ------------------------------------------------------------------ networks


def try_network(name, column, files, through_adapter=False):
    if column == 'own':
        return own_network(name, files)
    if name == 'VQGANDiscriminator':
        model = stock(GAN[column], NETWORK_OF[column], GAN_LOSSES, network_d=NETWORKS[name])
        return step(model, frames(column))
    network = adapted(NETWORKS['TSVQGAN']) if name == 'SingleOutputNetwork' else NETWORKS[name]
    model = train(column, adapted(network) if through_adapter else network)
    dataset = files.dataset(gt_size=32, max_frames=4)
    return validate(model, Images.of(dataset[0]) if column == 'image' else dataset)


def own_network(name, files):
    if name == 'FaceParsingNet':
        return try_model('FaceParsingModel', 'own', files)
    if name == 'PGTFormer':
        return try_model('PGTFormerModel', 'own', files)
    changes = {'network_g': adapted(TINY_VQGAN)} if name == 'SingleOutputNetwork' else {}
    return step(make(1, files.weights, **changes), batch())


# -------------------------------------------------------------------- losses

GAN_LOSSES = {'pixel_opt': {'type': 'L1Loss'}, 'gan_opt': {'type': 'GANLoss', 'gan_type': 'vanilla'}}
OWN_PLACES = {
    'CodeCrossEntropyLoss': (2, 'code_opt'),
    'CodeFocalLoss': (2, 'code_opt'),
    'CodeFeatureLoss': (2, 'feature_opt'),
    'MSRLLoss': (4, 'msrl_opt'),
}


def loss_section(name, files):
    arguments = {
        'LPIPSLoss': {'net': 'alex', 'weights': files.alex},
        'TemporalLPIPSLoss': {'net': 'alex', 'weights': files.alex},
        'VGGPerceptualLoss': {'layers': {'conv1_2': 1.0}, 'weights': files.vgg},
        'CombinedLoss': {'losses': {'l1': {'type': 'L1Loss'}, 'l2': {'type': 'MSELoss'}}},
        'PerceptualPair': {'loss': {'type': 'LPIPSLoss', 'net': 'alex', 'weights': files.alex}},
    }
    return {'type': name, **arguments.get(name, {})}


def place_of(name):
    if name == 'AdaptiveGANLoss':
        return 'gan_opt'
    return 'perceptual_opt' if any(word in name for word in ('LPIPS', 'Perceptual')) else 'pixel_opt'


def try_loss(name, column, files, through_adapter=False):
    section, place = loss_section(name, files), place_of(name)
    if column == 'own':
        if name == 'OhemCrossEntropyLoss':
            return try_model('FaceParsingModel', 'own', files)
        stage, place = OWN_PLACES.get(name, (1, place))
        return step(make(stage, files.weights, **{f'train:{place}': section}), batch())
    if place == 'gan_opt':
        network_d = NETWORKS['VQGANDiscriminator']
        model = stock(GAN[column], NETWORK_OF[column], {**GAN_LOSSES, place: section}, network_d=network_d)
        return step(model, frames(column))
    if through_adapter:
        section = {'type': 'PerceptualPair', 'loss': section}
    log = train(column, NETWORK_OF[column], **{place: section}).get_current_log()
    assert log['l_percep' if place == 'perceptual_opt' else 'l_pix'] > 0
    return log


# ------------------------------------------------------------------ datasets


def try_dataset(name, column, files, through_adapter=False):
    if name == 'CelebAMaskHQDataset':
        dataset = build_dataset({'type': name, 'name': 'x', 'phase': 'train', 'dataroot': files.labelled, 'size': 32})
        if column == 'own':
            return try_model('FaceParsingModel', 'own', files, batch_of([dataset[0]] * 2, 2))
        return train(column, NETWORK_OF[column], batch_of(dataset))
    if column == 'own':
        model, dataset = make(1, files.weights), files.dataset(name, gt_size=32)
        model.check_data_set(dataset)
        model.feed_data(batch_of(files.dataset(phase='train', gt_size=32)))
        model.optimize_parameters(1)
        return model.validation(SimpleNamespace(dataset=dataset), 1, None)
    if column == 'video' and name == 'VFHQDataset':
        model = train(column, NETWORK_OF[column], batch_of(files.dataset(phase='train')))
        return validate(model, files.dataset())
    # A model of single frames: from the window around each, VideoBaseModel's way, in images' models as well.
    name = 'VFHQVideoTestDataset' if through_adapter else name
    network = adapted(IMAGE_NETWORK, output_frames='centre') if name == 'VFHQVideoTestDataset' else IMAGE_NETWORK
    model_type = 'VideoBaseModel' if column == 'video' else 'SRModel'
    data = batch_of(files.dataset(phase='train', gt_frames='centre'))
    return validate(train(column, network, data, model_type), files.dataset(name))


def batch_of(dataset, size=1):
    return next(iter(torch.utils.data.DataLoader(dataset, size)))


# ------------------------------------------------------------------- metrics


def metric_section(name, files):
    arguments = {
        'calculate_lpips': {'net': 'alex', 'weights': files.alex},
        'calculate_fvd': {'window': 10, 'weights': files.i3d},
    }
    if name in ('calculate_deg', 'calculate_identity_consistency'):
        # A file is looked for; what it holds is not read, see `test_table.Face`.
        arguments[name] = {'weights': files.alex}
    if name in ('calculate_lmd', 'calculate_tlme', 'calculate_landmark_jitter'):
        arguments[name] = {'landmarks': 'centerface'}
    return {'type': name, **arguments.get(name, {})}


def try_metric(name, column, files, through_adapter=False):
    section = metric_section(name, files)
    if column == 'own':
        dataset = files.dataset(gt_size=48, max_frames=10 if name == 'calculate_fvd' else 3)
        stage = 2 if name == 'calculate_code_accuracy' else 1
        model = make(stage, files.weights, **{'val:metrics': {'it': {**section, 'better': 'lower'}}})
        model.check_data_set(dataset)
        model.validation(SimpleNamespace(dataset=dataset), 1, None)
        return model.best_metric_results['clips']['it']['val']
    model = stock(STOCK[column], NETWORK_OF[column], metrics={'it': {**section, 'better': 'lower'}})
    dataset = files.dataset()
    return validate(model, Images.of(dataset[0]) if column == 'image' else dataset)['it']


# -------------------------------------------------------------------- models


def try_model(name, column, files, data=None, through_adapter=False):
    if name == 'FaceParsingModel':
        opt = parsing_options()
        opt.update(dist=False, rank=0, world_size=1, is_train=True, num_gpu=0)
        made = {'image': torch.rand(2, 3, 32, 32), 'mask': torch.randint(19, (2, 32, 32)), 'key': ['0', '1']}
        return step(build_model(opt), data or made)
    if column == 'own':
        return step(make({'TSVQGANModel': 1, 'PGTFormerModel': 3}[name], files.weights), batch())
    if name == 'HiFaceGANVideoModel':
        return train_hifacegan()
    losses = {'first': {'type': 'L1Loss'}, 'second': {'type': 'MSELoss', 'loss_weight': 2.0}}
    network, data = NETWORK_OF[column], frames(column)
    if name in ('VideoModelWithLosses', 'EDVRModelWithLosses'):
        network, data['gt'] = adapted(IMAGE_NETWORK, output_frames='centre'), data['gt'][:, 1]
    options = {'losses': losses, **({'gan_opt': GAN_LOSSES['gan_opt']} if 'GAN' in name else {})}
    log = step(stock(name, network, options, network_d=NETWORKS['VQGANDiscriminator']), data)
    assert {'l_first', 'l_second'} <= set(log) and not {'l_pix', 'l_g_pix'} & set(log)
    return log


def train_hifacegan():
    network_g = {'type': 'HiFaceGAN', 'num_feat': 4, 'norm_g': 'spectralspadeinstance3x3', 'is_train': False}
    network_d = {'type': 'HiFaceGANDiscriminator', 'num_feat': 4, 'num_d': 1, 'n_layers_d': 1}
    gan = {'gan_opt': {'type': 'MultiScaleGANLoss', 'gan_type': 'lsgan'}}
    matching = {'feature_matching_opt': {'type': 'FeatureMatchingLoss'}}
    options, clip = {'pixel_opt': {'type': 'L1Loss'}, **gan, **matching}, torch.rand(1, 2, 3, 64, 64)
    return step(stock('HiFaceGANVideoModel', network_g, options, network_d=network_d), {'lq': clip, 'gt': 1 - clip})


TRIALS = {'network': try_network, 'loss': try_loss, 'dataset': try_dataset, 'metric': try_metric, 'model': try_model}
