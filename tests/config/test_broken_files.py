"""No broken option file gets through: hundreds of them, each a good file but for one mistake."""

import sys

import pytest

from pgtf_command import run_command as main

from ..helpers.mutations import KINDS, Broken, missing_keys, misspelt_keys, replaced
from ..helpers.stand_ins import listing

# A stage of each model and a test; each kind of mistake is made everywhere in the first.
FILES = {'stage4.yml': KINDS, 'stage1.yml': (misspelt_keys, missing_keys), 'test.yml': KINDS}
MOST_LINES = 24

STAGE_1, STAGE_2, STAGE_4, TEST = 'stage1.yml', 'stage2.yml', 'stage4.yml', 'test.yml'

# file, what is replaced, by what, and what the message must say.
CONTRADICTIONS = [
    (STAGE_1, 'num_gpu: auto', 'num_gpu: 64', 'num_gpu is 64, but'),
    (STAGE_1, 'num_gpu: auto', 'num_gpu: -1', 'num_gpu is -1'),
    (STAGE_1, 'num_gpu: auto', 'num_gpu: all', "num_gpu is 'all'"),
    (STAGE_1, 'total_iter: 800', 'total_iter: 0', 'train.total_iter is 0'),
    (STAGE_1, 'total_iter: 800', 'total_iter: .inf', 'train.total_iter is inf'),
    (STAGE_1, 'lr: 1e-3', 'lr: -1', 'train.optim_g: Adam refuses these options'),
    (STAGE_1, 'lr: 1e-3', 'lr: .nan', 'train.optim_g.lr is nan'),
    (STAGE_1, 'betas: [0.5, 0.9]', 'betas: [0.5]', 'train.optim_g.betas is [0.5]'),
    (STAGE_1, 'betas: [0.5, 0.9]', 'betas: [0.5, 2]', 'train.optim_g: Adam refuses'),
    (STAGE_1, 'type: Adam\n', 'type: LBFGS\n', 'torch.optim has no LBFGS'),
    (STAGE_1, 'periods: [800]', 'periods: [400, 400]', 'train.scheduler has 2 periods and 1 restart_weights'),
    (STAGE_1, 'periods: [800]', 'periods: []', 'train.scheduler.periods is []'),
    (
        STAGE_1,
        'type: CosineAnnealingRestartLR\n    periods: [800]\n    eta_min: 5e-5',
        'type: MultiStepLR\n    milestones: [3]\n    restarts: [0, 9]',
        'train.scheduler has 2 restarts and 1',
    ),
    (STAGE_1, 'type: CosineAnnealingRestartLR', 'type: CosineAnnealingLR', 'BasicSR has no scheduler'),
    (
        STAGE_1,
        'network_d:\n  type: VQGANDiscriminator\n  num_feat: 32\n  num_layers: 2\n',
        '',
        'network_d is missing: train.gan_opt needs it',
    ),
    (
        STAGE_1,
        '  optim_d:\n    type: Adam\n    lr: 1e-3\n    betas: [0.5, 0.9]\n',
        '',
        'train.optim_d is missing: train.gan_opt needs it',
    ),
    (STAGE_1, 'type: AdaptiveGANLoss', 'type: GANLoss\n    gan_type: hinge', 'train.gan_opt.type is GANLoss'),
    (STAGE_1, '  pixel_opt:\n    type: L1Loss\n    loss_weight: 1.0\n', '', 'train.gan_opt is weighted against'),
    (STAGE_1, 'num_frame: 3', 'num_frame: 5', 'datasets.train.num_frame is 5, but network_g.num_frames is 3'),
    (STAGE_1, 'name: held_out', 'name: VFHQ/aligned', "datasets.val.name is 'VFHQ/aligned'; it must be a name of one"),
    (STAGE_1, 'name: sample', 'name: ..', "datasets.train.name is '..'; it must be a name of one"),
    (STAGE_1, 'gt_size: 48', 'gt_size: 50', 'datasets.train.gt_size is 50'),
    (STAGE_1, 'save_checkpoint_freq: 800', 'save_checkpoint_freq: 0', 'logger.save_checkpoint_freq is 0'),
    (STAGE_1, '  ema_decay: 0.99', '  accumulate_iters: 3', 'a multiple of train.accumulate_iters, 3'),
    (STAGE_1, '  ema_decay: 0.99', '  ema_decay: 1', 'train.ema_decay is 1'),
    (STAGE_1, '  ema_decay: 0.99', '  precision: fp64', 'train.precision'),
    (STAGE_1, '  ema_decay: 0.99', '  max_skipped_steps: -1', 'train.max_skipped_steps is -1'),
    (STAGE_1, '  ema_decay: 0.99', '  stage: 2', 'train.stage: there is no such option'),
    (STAGE_1, '  ema_decay: 0.99', '  msrl_opt: {type: MSRLLoss}', 'train.msrl_opt: there is no such option'),
    (STAGE_1, '  resume_state: ~', '  keep_checkpoints: 0', 'path.keep_checkpoints is 0'),
    (STAGE_1, '  resume_state: ~', '  resume_state: 800.state', 'path.resume_state: 800.state does not exist'),
    (STAGE_1, '  resume_state: ~', '  resume_state: datasets', 'path.resume_state: datasets is not a file'),
    (STAGE_1, '  resume_state: ~', '  pretrain_network_vqgan: ~', 'path.pretrain_network_vqgan: there is no such'),
    (STAGE_1, '  resume_state: ~', '  models: /tmp', 'path.models: there is no such option'),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    persistent_workers: true',
        'datasets.train.persistent_workers is true, but there are no workers',
    ),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    prefetch_mode: cuda',
        'datasets.train.prefetch_mode is cuda, which needs pin_memory',
    ),
    (STAGE_1, 'num_worker_per_gpu: 0', 'num_worker_per_gpu: 0\n    prefetch_mode: gpu', 'datasets.train.prefetch_mode'),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    dataset_enlarge_ratio: 10',
        'datasets.train.dataset_enlarge_ratio is 10',
    ),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    io_backend: {type: lmdb}',
        "datasets.train.io_backend.type is 'lmdb'",
    ),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    io_backend: {type: s3}',
        "datasets.train.io_backend.type is 's3'",
    ),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    interval: [1, 0]',
        'datasets.train.interval is [1, 0]',
    ),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    clip_weights: frame',
        'datasets.train.clip_weights: ',
    ),
    (
        STAGE_1,
        'num_worker_per_gpu: 0',
        'num_worker_per_gpu: 0\n    broken_data: ignore',
        "datasets.train.broken_data is 'ignore'",
    ),
    (STAGE_1, 'scale: [2, 3]', 'scale: [2, 3]\n      variant: vfhg', "datasets.train.degradation.variant is 'vfhg'"),
    (
        STAGE_1,
        'scale: [2, 3]',
        'variant: codeformer\n      resize_back: false',
        'datasets.train.degradation.scale is [1, 12]',
    ),
    (STAGE_1, 'scale: [2, 3]', 'scale: [3, 2]', 'datasets.train.degradation.scale is [3, 2]'),
    (
        STAGE_1,
        'scale: [2, 3]',
        'scale: [2, 3]\n      resize_back: false',
        'datasets.train.degradation.scale is [2, 3]; without resize_back',
    ),
    (STAGE_1, 'scale: [2, 3]', 'scale: [2, 3]\n      codec: av1', 'datasets.train.degradation.codec'),
    (STAGE_1, 'rotation: 3', 'rotation: 270', 'datasets.train.placement.rotation'),
    (STAGE_1, 'swin_levels: [12]', 'swin_levels: [13]', 'network_g: TSVQGAN cannot be built'),
    (STAGE_1, 'width: 32', 'width: 30', 'network_g: TSVQGAN cannot be built'),
    (STAGE_1, 'multipliers: [1, 1, 2]', 'multipliers: []', 'network_g.multipliers is []'),
    (STAGE_1, 'codebook_size: 256', 'codebook_size: 0', 'network_g.codebook_size is 0'),
    (STAGE_1, 'type: TSVQGAN\n', 'type: EDSR\n', 'network_g.num_in_ch is missing'),
    (STAGE_1, 'val_freq: 1000000', 'val_freq: 0', 'val.val_freq is 0'),
    (
        STAGE_1,
        '      type: calculate_msrl',
        '      type: calculate_msrl\n      better: less',
        'val.metrics.msrl.better',
    ),
    (STAGE_1, '      type: calculate_msrl', '      type: calculate_msrl\n      scale: [1]', 'did you mean scales?'),
    (
        STAGE_1,
        '      type: calculate_msrl',
        '      type: calculate_code_accuracy',
        'val.metrics.msrl.type: calculate_code_accuracy compares codes',
    ),
    (STAGE_1, '      type: calculate_msrl', '      type: calculate_mean_iou', 'compares no images'),
    (STAGE_1, '  use_tb_logger: true', '  use_tb_logger: false\n  wandb: {project: x}', 'needs logger.use_tb_logger'),
    (STAGE_1, '  val:\n', '  test_1:\n', 'datasets.test_1: training has'),
    (STAGE_1, '  val:\n', '  validation:\n', 'datasets.validation: there is no such option'),
    (STAGE_1, 'name: quickstart_stage1', 'name: ../../etc', 'name is'),
    (STAGE_1, 'name: quickstart_stage1', "name: ''", 'name is'),
    (STAGE_1, 'manual_seed: 0', 'manual_seed: 4294967296', 'manual_seed is 4294967296'),
    (STAGE_1, 'manual_seed: 0', 'dist_params: {timeout: 0}', 'dist_params.timeout is 0'),
    (STAGE_1, 'manual_seed: 0', 'dist_params: {port: 99999}', 'dist_params.port is 99999'),
    (STAGE_1, 'manual_seed: 0', '3: 4', '3: names of options are text'),
    (STAGE_1, 'manual_seed: 0', 'yes: no', 'names of options are text'),
    (STAGE_2, 'stage: 2', 'stage: 1', 'train.stage is 1'),
    (STAGE_2, 'stage: 2', 'stage: 2\n  pixel_opt: {type: L1Loss}', 'train.pixel_opt: stage 2 does not run'),
    (STAGE_2, 'stage: 2', 'stage: 2\n  msrl_opt: {type: MSRLLoss}', 'train.msrl_opt: stage 2 does not run'),
    (STAGE_2, 'codebook_size: 256', 'codebook_size: 128', 'network_vqgan.codebook_size is 128'),
    (STAGE_2, 'type: PGTFormer\n', 'type: TSVQGAN\n', 'network_g.predictor_width: there is no such option'),
    (STAGE_4, 'scales: [1, 2, 3]', 'scales: [0]', 'train.msrl_opt.scales[0] is 0'),
    (STAGE_4, 'tfr_levels: [24, 12]', 'tfr_levels: [6]', 'network_g: PGTFormer cannot be built'),
    (STAGE_4, 'net: alex', 'net: squeeze', "train.perceptual_opt.net is 'squeeze'"),
    (STAGE_4, 'weights: ~', 'weights: weights/none.pth', 'weights/none.pth does not exist'),
    (TEST, 'fidelity: 1.0', 'fidelity: 1.5', 'val.fidelity is 1.5'),
    (TEST, 'name: unaligned', 'name: aligned', 'datasets.test_2.name is that of datasets.test_1'),
    (TEST, '<<: *aligned', '<<: *other', "undefined alias 'other'"),
    (TEST, 'test_2:', 'train:', 'datasets.train.batch_size_per_gpu is missing'),
]

HOSTILE = {
    'empty': ('', 'holds sections'),
    'a list': ('- 1\n- 2\n', 'holds sections'),
    'plain text': ('hello', 'holds sections'),
    'null': ('~', 'holds sections'),
    'unclosed list': ('name: [1, 2', 'line 1'),
    'unclosed quote': ('name: "x\n', 'line'),
    'tab': ('name: x\n\tmodel_type: y\n', 'line 2'),
    'bad indentation': ('name: x\n  model_type: y\n', 'line 2'),
    'no space': ('name:x\nmodel_type:y\n', 'holds sections'),
    'two documents': ('name: x\n---\nname: y\n', 'line 2'),
    'object': ('!!python/object/apply:os.system [touch hacked]', 'line 1'),
    'object inside': ('name: x\npath: !!python/object/new:os.system [touch hacked]\n', 'line 2'),
    'module': ('name: !!python/module:os\n', 'line 1'),
    'own tag': ('name: !mine x\n', 'line 1'),
    'no number': ('name: !!int x\n', 'line 1'),
    'no date': ('name: 2020-13-45\n', 'line 1'),
    'a digit without digits': ('name: 0x_\n', 'line 1'),
    'endless number': (f'name: {"9" * 6000}\n', 'line 1'),
    'list as key': ('name: x\n? [1, 2]\n: 3\n', 'line 2'),
    'section as key': ('name: x\n? {a: 1}\n: 3\n', 'line 2'),
    'contains itself': ('name: &a\n  b: *a\n', 'contains itself'),
    'merges itself': ('name: &a\n  <<: *a\n', 'contains itself'),
    'list that contains itself': ('name: &a [1, *a]\n', 'contains itself'),
    'merge of a number': ('name:\n  <<: 3\n', 'line 2'),
    'nested': ('name: ' + '[' * 1000 + ']' * 1000, 'nested too deeply'),
    'aliases of aliases': (
        '\n'.join(['a0: &a0 [1, 1]'] + [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 12)]),
        'stand for more',
    ),
    'merges of merges': (
        '\n'.join(
            ['a0: &a0 {x: 1}'] + [f'a{i}: &a{i}\n  <<: [{", ".join([f"*a{i - 1}"] * 10)}]' for i in range(1, 12)]
        ),
        'stand for more',
    ),
    'control characters': ('name: \x00\n', 'not a valid option file'),
    'keys stand twice': ('a: 1\na: 2\n', "line 2: not a valid option file: the key 'a' stands twice"),
    'merged twice': ('a: &a {x: 1}\nb: {<<: *a, <<: *a}\n', "line 2: not a valid option file: the key '<<' stands"),
    'sets': ('name: !!set {a, b}\nmodel_type: !!binary aGk=\ndatasets: !!omap [a: 1]\n', 'name is'),
    'many mistakes': ('model_type: TSVQGANModel\n' + '\n'.join(f'key{i}: {i}' for i in range(500)), 'more'),
    'braces': ("model_type: TSVQGANModel\nname: '{x} %s'\n'{0}': 1\n", '{0}: there is no such option'),
    'a very long key': (f'model_type: TSVQGANModel\n{"k" * 100}: 1\n', 'there is no such option'),
}


def generated():
    """The broken files of the systematic kinds."""
    return [broken for name, kinds in FILES.items() for kind in kinds for broken in kind(name)]


def chosen():
    """Those that were thought of one by one."""
    return [
        Broken(f'{name}: {expected}', replaced(name, old, new), expected) for name, old, new, expected in CONTRADICTIONS
    ]


def complaint_about(broken, command, project, capsys):
    """Run a command on a broken file; returns what is wrong with how it was refused, or None."""
    path = project / 'broken.yml'
    path.write_text(broken.text)
    before = listing(project)
    status = main([*command, 'broken.yml'])
    output = capsys.readouterr().err
    lines = [line for line in output.splitlines() if line.startswith('basicsr: ')]
    faults = [
        status != 2 and f'status {status}',
        'Traceback' in output and 'traceback',
        not 1 <= len(lines) <= MOST_LINES and f'{len(lines)} lines',
        broken.names not in output and f'{broken.names} is not named',
        broken.line and f'broken.yml, line {broken.line}: ' not in output and f'line {broken.line} is not named',
        listing(project) != before and 'something on disk changed',
    ]
    faults = [fault for fault in faults if fault]
    return f'{broken.what}: {", ".join(faults)}\n{output}' if faults else None


@pytest.mark.parametrize('name, kind', [(name, kind) for name, kinds in FILES.items() for kind in kinds])
def test_a_file_with_one_mistake_is_refused(name, kind, project, capsys):
    complaints = [complaint_about(broken, ['check-options'], project, capsys) for broken in kind(name)]
    assert complaints
    assert not any(complaints), '\n'.join(filter(None, complaints))


@pytest.mark.parametrize('broken', chosen(), ids=lambda broken: broken.what)
def test_options_that_contradict_each_other_are_refused(broken, project, capsys):
    assert complaint_about(broken, ['check-options'], project, capsys) is None


@pytest.mark.parametrize('what', HOSTILE)
def test_hostile_yaml_is_refused(what, project, capsys):
    text, expected = HOSTILE[what]
    assert complaint_about(Broken(what, text, expected), ['check-options'], project, capsys) is None
    assert not (project / 'hacked').exists()


@pytest.mark.parametrize(
    'broken', [broken for number, broken in enumerate(generated()) if number % 40 == 0], ids=lambda broken: broken.what
)
def test_training_refuses_the_same(broken, project, capsys):
    assert complaint_about(broken, ['train', '-opt'], project, capsys) is None


def test_there_are_hundreds_of_them(capsys):
    count = len(generated()) + len(CONTRADICTIONS) + len(HOSTILE)
    with capsys.disabled():
        sys.stdout.write(f' {count} broken option files are refused ')
    assert count >= 200
