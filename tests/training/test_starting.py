"""How runs start and end: nothing of an earlier one is touched before they can, and they make all their iterations."""

import itertools
import os
import re
import shutil
import time

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from pgtf_basicsr.checkpoints import write_checkpoint

from ..helpers.processes import CONTEXT, Run, run
from ..helpers.quickstart import QUICKSTART, SMALL, stage_options, write_options


@pytest.fixture(scope='module')
def experiment(tmp_path_factory, trained_project):
    """A project of its own with a good experiment and good results of the names that all runs here take."""
    folder = tmp_path_factory.mktemp('experiment')
    shutil.copytree(trained_project / 'datasets', folder / 'datasets')
    for stage in (1, 2):
        shutil.copytree(
            trained_project / f'experiments/quickstart_stage{stage}', folder / f'experiments/quickstart_stage{stage}'
        )
        shutil.copytree(
            trained_project / f'tb_logger/quickstart_stage{stage}', folder / f'tb_logger/quickstart_stage{stage}'
        )
    run(folder, 'train', '-opt', write_options(folder, stage_options(3), 'good.yml'))
    run(folder, 'test', '-opt', write_options(folder, small_test(), 'test.yml'))
    return folder


def small_test(**changes):
    """Options of the test of stage III, for the small network."""
    opt = yaml.safe_load((QUICKSTART / 'test_stage3.yml').read_text())
    opt['network_g'].update(SMALL, tfr_levels=[16, 8])
    for dataset in opt['datasets'].values():
        dataset['gt_size'] = 32
    opt.update(changes)
    return opt


CLIPS = {'name': 'x', 'type': 'VFHQDataset', 'dataroot_gt': 'datasets/sample/test/GT', 'gt_size': 32}


def listing(folder):
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for name in ('experiments', 'results', 'tb_logger')
        for path in sorted((folder / name).rglob('*'))
    }


def empty_clips(folder):
    (folder / 'empty').mkdir(exist_ok=True)
    return {'datasets:train:dataroot_gt': 'empty', 'datasets:train:dataroot_landmarks': None}


def other_weights(folder):
    write_checkpoint(folder / 'other.pth', {'params': torch.nn.Linear(2, 2).state_dict()})
    return {'path:pretrain_network_g': 'other.pth'}


def landmarks_of_too_few_clips(folder):
    (folder / 'few').mkdir(exist_ok=True)
    return {'datasets:train:dataroot_landmarks': 'few'}


UNABLE = {
    'no clips': empty_clips,
    'no landmarks': landmarks_of_too_few_clips,
    'no iteration': lambda folder: {'datasets:train:batch_size_per_gpu': 90},
    'weights of another network': other_weights,
    'impossible network': lambda folder: {'network_g:tfr_levels': [7]},
    'impossible teacher': lambda folder: {'network_vqgan:swin_levels': [7]},
    'impossible precision': lambda folder: {'train:precision': 'fp16'},
    'impossible loss': lambda folder: {'train:gan_opt': {'type': 'AdaptiveGANLoss', 'loss_weight': 0}},
    'unknown frozen module': lambda folder: {'train:frozen': ['decodr']},
    'degradation out of range': lambda folder: {'datasets:train:degradation': {'crf': [18, 99]}},
    'validation of clips too short for MSRL': lambda folder: {'datasets:val:max_frames': 1},
    'validation without clips': lambda folder: {
        'datasets:val:dataroot_gt': 'few',
        'datasets:val:dataroot_landmarks': None,
    },
}


@pytest.mark.parametrize('reason', UNABLE)
def test_run_that_cannot_start_changes_nothing(experiment, reason):
    opt = stage_options(3, **UNABLE[reason](experiment))
    path = write_options(experiment, opt, 'unable.yml')
    before = listing(experiment)
    output = run(experiment, 'train', '-opt', path, status=2)
    assert listing(experiment) == before
    lines = output.splitlines()
    assert lines and all(line.startswith('basicsr: ') for line in lines) and len(lines) <= 3, output


@pytest.mark.parametrize(
    'changes',
    [
        {'datasets': {'test_1': {'name': 'x', 'type': 'VFHQDataset', 'dataroot_gt': 'few'}}},
        {'path': {'pretrain_network_g': 'experiments/quickstart_stage1/models/net_g_latest.pth'}},
        {'datasets': {'test_1': {**CLIPS, 'max_frames': 1}}},
        {'datasets': {'test_1': {**CLIPS, 'dataroot_lq': 'shorter'}}},
        {'val': {'save_img': False, 'metrics': {'lmd': {'type': 'calculate_lmd', 'weights': 'absent.pth'}}}},
    ],
)
def test_test_that_cannot_start_leaves_earlier_results(experiment, changes):
    (experiment / 'few').mkdir(exist_ok=True)
    clip = next((experiment / CLIPS['dataroot_gt']).iterdir())
    (experiment / 'shorter' / clip.name).mkdir(parents=True, exist_ok=True)
    shutil.copy(next(clip.iterdir()), experiment / 'shorter' / clip.name)
    path = write_options(experiment, small_test(**changes), 'unable.yml')
    before = listing(experiment)
    output = run(experiment, 'test', '-opt', path, status=2)
    assert listing(experiment) == before and len(output.splitlines()) == 1


def test_folder_that_cannot_be_made_leaves_the_good_experiment(experiment, tmp_path):
    """The run's own folder would have to lie below a file."""
    (experiment / 'experiments' / 'file').write_text('mine')
    before = listing(experiment)
    path = write_options(experiment, stage_options(1, name='file/inside'), 'f.yml')
    output = run(experiment, 'train', '-opt', path, status=2)
    assert listing(experiment) == before
    assert 'cannot make the folder' in output and 'Not a directory' in output


def test_run_that_starts_archives_the_experiment_of_its_name(project):
    path = write_options(project, stage_options(1))
    run(project, 'train', '-opt', path)
    before = (project / 'experiments/quickstart_stage1/models/net_g_latest.pth').read_bytes()
    run(project, 'train', '-opt', path)
    (archived,) = (project / 'experiments').glob('quickstart_stage1_archived_*')
    assert (archived / 'models/net_g_latest.pth').read_bytes() == before
    assert sorted(os.listdir(project / 'experiments')) == ['quickstart_stage1', archived.name]


def test_archives_of_the_same_second_are_kept_apart(project):
    """They are named by the second: those of this run's and of the next minute are there already."""
    path = write_options(project, stage_options(1))
    run(project, 'train', '-opt', path)
    now, roots = time.time(), [project / 'experiments', project / 'tb_logger']
    for root, second in itertools.product(roots, range(60)):
        name = time.strftime('quickstart_stage1_archived_%Y%m%d_%H%M%S', time.localtime(now + second))
        (root / name).mkdir()
        (root / name / 'mine').touch()
    output = run(project, 'train', '-opt', path)
    for root in roots:
        (archived,) = root.glob('*_archived_*_2')
        assert any(archived.iterdir()) and f'Rename it to {archived}' in output
        assert len(list(root.glob('*/mine'))) == 60


def test_log_file_holds_all_from_the_options_to_the_last_validation(experiment):
    (log,) = (experiment / 'experiments/quickstart_stage3').glob('train_*.log')
    text = log.read_text()
    parts = [
        'Version Information',
        'name: quickstart_stage3',
        'Dataset [VFHQDataset]',
        'Number of train images: 8',
        'Model [PGTFormerModel] is created',
        'Start training',
        'iter:       2',
        'End of training',
        '# psnr',
    ]
    positions = [text.index(part) for part in parts]
    assert positions == sorted(positions)


def two_runs(folder, paths):
    from pgtf_command import run_command

    os.chdir(folder)
    statuses = [run_command(['train', '-opt', str(path)]) for path in paths]
    assert statuses == [0, 0]


def test_second_run_of_a_process_has_a_log_of_its_own(project):
    paths = [write_options(project, stage_options(1, name=name), f'{name}.yml') for name in ('first', 'second')]
    process = CONTEXT.Process(target=two_runs, args=(project, paths))
    process.start()
    process.join(100)
    assert process.exitcode == 0
    for name, other in (('first', 'second'), ('second', 'first')):
        (log,) = (project / 'experiments' / name).glob('train_*.log')
        assert log.read_text().count('iter:       1') == 1
        assert f'name: {name}' in log.read_text() and f'name: {other}' not in log.read_text()


@pytest.mark.parametrize('batch_size, total_iter', [(1, 9), (3, 7), (8, 3)])
def test_all_iterations_are_made(project, batch_size, total_iter):
    """Also where batches do not divide the epoch of eight samples, and over several epochs."""
    opt = stage_options(
        1,
        **{
            'datasets:train:batch_size_per_gpu': batch_size,
            'train:total_iter': total_iter,
            'train:scheduler:periods': [total_iter],
            'logger:save_checkpoint_freq': total_iter,
        },
    )
    output = run(project, 'train', '-opt', write_options(project, opt))
    assert re.findall(r'iter: +(\d+), ', output) == [str(i + 1) for i in range(total_iter)]
    assert (project / f'experiments/quickstart_stage1/training_states/{total_iter}.state').exists()


def test_each_validation_is_made_once_and_bears_its_iteration(project):
    opt = stage_options(1, **{'train:total_iter': 4, 'train:scheduler:periods': [4], 'val:val_freq': 2})
    output = run(project, 'train', '-opt', write_options(project, opt))
    assert output.count('# psnr') == 2
    assert (project / 'experiments/quickstart_stage1/visualization/held_out/collins_000/strip_4.png').exists()
    assert '@ 5 iter' not in output


def test_learning_rate_outlasts_warm_up_and_periods(project):
    """With warm-up, MultiStepLR comes to the rate of the file, and a cosine stays where its period ends."""
    for name, scheduler, rates in (
        ('steps', {'type': 'MultiStepLR', 'milestones': [4], 'gamma': 0.5}, [2.5e-4, 5e-4, 7.5e-4, 1e-3, 5e-4, 5e-4]),
        (
            'cosine',
            {'type': 'CosineAnnealingRestartLR', 'periods': [4], 'eta_min': 1e-5},
            [2.5e-4, 5e-4, 7.5e-4, None, 1e-5, 1e-5],
        ),
    ):
        opt = stage_options(
            1,
            name=name,
            **{
                'train:total_iter': 6,
                'train:warmup_iter': 4,
                'train:scheduler': scheduler,
                'logger:save_checkpoint_freq': 6,
            },
        )
        output = run(project, 'train', '-opt', write_options(project, opt))
        found = [float(rate) for rate in re.findall(r'lr:\(([^,]+),', output)]
        assert len(found) == 6
        assert all(rate is None or rate == pytest.approx(value, rel=1e-3) for rate, value in zip(rates, found)), found


@pytest.mark.parametrize(
    'optimizer',
    [
        {'type': 'AdamW', 'lr': 1e-4, 'weight_decay': 0.01},
        {'type': 'SGD', 'lr': 1e-4, 'momentum': 0.9},
        {'type': 'RMSprop', 'lr': 1e-4},
        {'type': 'NAdam', 'lr': 1e-4},
    ],
)
def test_optimizers_of_torch_train_and_resume(project, optimizer):
    opt = stage_options(1, **{'train:optim_g': optimizer, 'train:total_iter': 4, 'train:scheduler:periods': [4]})
    path = write_options(project, opt)
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       3')
    command.kill()
    assert 'iter: 2.' in run(project, 'train', '-opt', path, '--auto_resume')


def test_quick_restarts_leave_each_other_their_logs(project):
    """BasicSR names logs by the second."""
    path = write_options(project, stage_options(1))
    for _ in range(3):
        run(project, 'train', '-opt', path, '--auto_resume')
    assert len(list((project / 'experiments/quickstart_stage1').glob('train_*.log'))) == 3


def test_settings_that_a_resumed_run_does_not_take_over_are_named(project):
    path = write_options(project, stage_options(1, **{'train:total_iter': 4, 'train:scheduler:periods': [4]}))
    run(project, 'train', '-opt', path)
    output = run(
        project,
        'train',
        '-opt',
        path,
        '--auto_resume',
        '--force_yml',
        'train:optim_g:lr=7e-4',
        'train:scheduler:periods=[6]',
    )
    (told,) = [line for line in output.splitlines() if 'Kept as the state has it, against the options' in line]
    assert 'initial_lr 0.001 instead of 0.0007; periods [4] instead of [6]' in told
    assert 'against the options' not in run(project, 'train', '-opt', path, '--auto_resume')


def test_errors_of_the_data_end_a_prefetching_run(project):
    """With prefetch_mode: cpu BasicSR's loop would wait for ever."""
    for frame in (project / 'datasets/sample/train/GT').glob('*/*.png'):
        frame.write_bytes(frame.read_bytes()[:100])
    opt = stage_options(1, **{'datasets:train:prefetch_mode': 'cpu'})
    output = run(project, 'train', '-opt', write_options(project, opt), status=2)
    assert 'is not a whole image' in output and 'Traceback' not in output


def test_test_of_a_training_file_takes_what_it_has_trained(experiment):
    """On its validation set, not on the training set; suffix and metrics as in the file."""
    path = write_options(experiment, stage_options(3), 'good.yml')
    output = run(experiment, 'test', '-opt', path)
    assert 'Testing held_out' in output and 'Testing sample' not in output
    assert 'Loading PGTFormer from experiments/quickstart_stage3/models/net_g_latest.pth' in output
    assert (experiment / 'results/quickstart_stage3/metrics_held_out.json').exists()
    other = 'experiments/quickstart_stage2/models/net_g_latest.pth'
    output = run(experiment, 'test', '-opt', path, '--force_yml', f'path:pretrain_network_g={other}')
    assert f'Loading PGTFormer from {other}' in output


def test_test_of_a_file_that_was_never_trained(experiment):
    path = write_options(experiment, stage_options(3, name='never'), 'never.yml')
    output = run(experiment, 'test', '-opt', path, status=2)
    assert 'experiments/never/models/net_g_latest.pth does not exist' in output


def test_seed_that_was_drawn_is_kept_on_resume(project):
    opt = stage_options(1, **{'train:total_iter': 4, 'train:scheduler:periods': [4]})
    opt.pop('manual_seed')
    path = write_options(project, opt)
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       3')
    command.kill()
    run(project, 'train', '-opt', path, '--auto_resume')
    states = project / 'experiments/quickstart_stage1/training_states'
    assert len({torch.load(states / f'{i}.state', weights_only=True)['seed'] for i in (2, 4)}) == 1


def scalars(folder):
    """{tag: {iteration: value}} of TensorBoard's files."""
    values = {}
    for file in sorted(folder.glob('events*')):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.HasField('tensor') and value.tensor.float_val:
                    values.setdefault(value.tag, {})[event.step] = value.tensor.float_val[0]
    return values


def test_tensorboard_has_every_iteration_of_a_killed_run(project):
    opt = stage_options(1, **{'train:total_iter': 6, 'train:scheduler:periods': [6]})
    path = write_options(project, opt)
    command = Run(project, 'train', '-opt', path)
    command.wait_for('iter:       5')
    command.kill()
    run(project, 'train', '-opt', path, '--auto_resume')
    logged = scalars(project / 'tb_logger/quickstart_stage1')
    assert sorted(logged['losses/l_g_pix']) == [1, 2, 3, 4, 5, 6]
