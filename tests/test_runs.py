"""Whole runs as users start them: the four stages, two processes, other BasicSR projects, restoring a video."""

import json
from fractions import Fraction

import av
import cv2
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pgtf_basicsr import config
from pgtf_basicsr.models.resumable_model import cpu_state_dict
from pgtf_basicsr.models.video_face_model import VideoFaceModel

from .helpers.crops import CROP
from .helpers.processes import free_port, run
from .helpers.quickstart import QUICKSTART, SMALL, basicsr, changed, stage_options, write_data, write_options

pytestmark = pytest.mark.slow


@pytest.fixture
def project(trained_project):
    return trained_project


def models(folder, stage):
    return folder / 'experiments' / f'quickstart_stage{stage}' / 'models'


def read(path):
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_a_stage_leaves_what_basicsr_users_expect(project, stage):
    checkpoint = read(models(project, stage) / 'net_g_latest.pth')
    assert set(checkpoint) == {'params', 'params_ema', 'network', 'checkpoint'}
    assert checkpoint['network']['type'] == ('TSVQGAN' if stage == 1 else 'PGTFormer')
    experiment = models(project, stage).parent
    assert (experiment / 'training_states' / '2.state').exists()
    assert (models(project, stage) / 'net_d_latest.pth').exists() == (stage != 2)
    log = next(experiment.glob('train_*.log')).read_text()
    assert 'iter:       2' in log and '# psnr:' in log and '# ssim:' in log and 'degraded:' in log
    assert list(experiment.glob('visualization/held_out/*/strip_*.png'))
    assert list((project / 'tb_logger' / f'quickstart_stage{stage}').glob('events*'))


def test_each_stage_went_on_from_the_last(project):
    """Frozen parts are the same from stage I to IV, and E_p from stage II on; stages start from averaged weights."""
    stages = {stage: read(models(project, stage) / 'net_g_latest.pth') for stage in (1, 2, 3, 4)}
    states = {stage: checkpoint['params'] for stage, checkpoint in stages.items()}
    for name, averaged in stages[1]['params_ema'].items():
        if name.startswith(('decoder', 'codebook', 'from_latents')):
            assert all(torch.equal(states[stage][name], averaged) for stage in (2, 3, 4)), name
    for name, averaged in stages[2]['params_ema'].items():
        if name.startswith('parsing_net'):
            assert torch.equal(states[3][name], averaged) and torch.equal(states[4][name], averaged), name


def test_resume_goes_on(project, tmp_path):
    write_data(tmp_path)
    opt = stage_options(1, **{'train:total_iter': 3})
    opt['train']['scheduler']['periods'] = [4]
    path = write_options(tmp_path, opt)
    run(tmp_path, 'train', '-opt', path)
    output = run(tmp_path, 'train', '-opt', path, '--auto_resume', '--force_yml', 'train:total_iter=4')
    assert 'Resuming training from epoch: 0, iter: 2.' in output
    assert (tmp_path / 'experiments/quickstart_stage1/training_states/4.state').exists()


def test_a_resumed_stage_finds_its_frozen_teacher_again(project, tmp_path):
    opt = stage_options(3, **{'train:total_iter': 3, 'name': 'resumed'})
    opt['train']['scheduler']['periods'] = [4]
    path = write_options(project, opt, 'resumed.yml')
    run(project, 'train', '-opt', path)
    output = run(project, 'train', '-opt', path, '--auto_resume')
    assert 'Loading TSVQGAN from experiments/quickstart_stage1/models/net_g_latest.pth' in output
    assert 'Resuming training from epoch: 0, iter: 2.' in output


@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_two_processes_in_step(project, stage):
    """Both ranks hold the same weights after training: rank 1 writes its own beside rank 0's."""
    opt = stage_options(stage, name=f'two_processes_stage{stage}')
    path = write_options(project, opt, f'two_processes_{stage}.yml')
    output = run(project, 'train', '-opt', path, world_size=2, before=save_on_each_rank)
    assert '# psnr:' in output
    first, second = (read(project / f'rank{rank}.pth') for rank in (0, 1))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        # BatchNorm's running statistics are each rank's own between two synchronisations.
        if not name.endswith(('running_mean', 'running_var')):
            assert torch.equal(tensor, second[name]), name


def save_on_each_rank():
    """Let each rank of a training save its own weights beside the checkpoints of rank 0."""
    save = VideoFaceModel.save

    def save_twice(self, epoch, current_iter):
        save(self, epoch, current_iter)
        state = cpu_state_dict(self.get_bare_model(self.net_g))
        if self.net_d is not None:
            state.update({f'd.{k}': v for k, v in cpu_state_dict(self.get_bare_model(self.net_d)).items()})
        torch.save(state, f'rank{self.opt["rank"]}.pth')

    VideoFaceModel.save = save_twice


LATE = """
import os, sys, time
from pgtf_command import main
if os.environ['RANK'] == sys.argv.pop(1):
    time.sleep(2)
main()
"""


@pytest.mark.parametrize('late_rank', ['0', '1'])
def test_mistakes_under_torchrun_are_told_once(project, tmp_path, late_rank):
    """Whichever process is first to find it: torchrun ends all with the first one."""
    script = tmp_path / 'late.py'
    script.write_text(LATE)
    launch = ('-m', 'torch.distributed.run', '--nproc_per_node', '2', '--master_port', str(free_port()))
    arguments = (script, late_rank, 'train', '-opt', 'nothing.yml', '--launcher', 'pytorch')
    output = basicsr(project, *arguments, launch=launch, status=1)
    assert output.count('cannot read the option file nothing.yml') == 1


def small_test(**changes):
    """Options of the quickstart's test of stage IV, made smaller."""
    opt = config.load(QUICKSTART / 'test_stage4.yml')
    opt['network_g'].update(SMALL, tfr_levels=[16, 8])
    for dataset in opt['datasets'].values():
        dataset['gt_size'] = 32
    return changed(opt, changes)


def test_test_command_writes_frames_scores_and_a_page(project):
    output = run(
        project, 'test', '-opt', write_options(project, small_test(logger={'use_tb_logger': True}), 'test.yml')
    )
    results = project / 'results' / 'quickstart_test_stage4'
    for name in ('aligned', 'unaligned'):
        scores = json.loads((results / f'metrics_{name}.json').read_text())
        (clip,) = scores['clips']
        assert set(scores['mean']) == {'psnr', 'ssim', 'msrl'}
        frames = sorted(path.name for path in (results / 'visualization' / name / clip).iterdir())
        assert frames == [f'{number:08d}_quickstart_test_stage4.png' for number in range(4)]
        assert len(scores['curves'][clip]['psnr']['restored']) == 4
        for path in scores['pictures'][clip].values():
            assert (results / path).is_file()
        assert f'{scores["mean"]["psnr"]["restored"]:.2f}' in output
    written = {path.name for path in results.iterdir()}
    assert {'metrics.md', 'metrics.html', 'clips.csv', 'frames.csv'} <= written
    events = EventAccumulator(str(results / 'tb_logger')).Reload()
    assert [event.value for event in events.Scalars('metrics/aligned/psnr')] == pytest.approx(
        [json.loads((results / 'metrics_aligned.json').read_text())['mean']['psnr']['restored']]
    )
    assert [event.step for event in events.Scalars(f'unaligned/{clip}/ssim')] == [0, 1, 2, 3]
    # What was saved scores as what was tested: PNG is lossless.
    run(
        project,
        'evaluate',
        '--restored',
        results / 'visualization/aligned',
        '--gt',
        results / 'visualization/aligned',
        '--metrics',
        'psnr',
        '-o',
        'again',
    )
    assert json.loads((project / 'again/metrics_clips.json').read_text())['mean']['psnr']['restored'] == 'inf'


def test_scores_depend_neither_on_processes_nor_on_the_batch_of_windows(project):
    clips = {'dataroot_gt': 'datasets/sample/train/GT', 'dataroot_landmarks': 'datasets/sample/train/landmarks'}
    metrics = {'t1': {'type': 'calculate_code_accuracy'}, 't5': {'type': 'calculate_code_accuracy', 'k': 5}}
    found = []
    for name, batch, world_size in (('one', 1, 1), ('batch', 3, 1), ('two', 3, 2)):
        opt = small_test(name=name, **{'val:batch_size': batch})
        opt['val']['metrics'].update(metrics)
        opt['network_vqgan'] = stage_options(4)['network_vqgan']
        opt['path']['pretrain_network_vqgan'] = str(models(project, 1) / 'net_g_latest.pth')
        for dataset in opt['datasets'].values():
            dataset.update(clips)
        run(project, 'test', '-opt', write_options(project, opt, f'{name}.yml'), world_size=world_size)
        scores = json.loads((project / 'results' / name / 'metrics_aligned.json').read_text())
        found.append({key: scores[key] for key in ('mean', 'clips', 'curves', 'pictures')})
    assert len(found[0]['clips']) == 2
    assert found[1] == found[2] == found[0]
    t1, t5 = (found[0]['mean'][name]['restored'] for name in ('t1', 't5'))
    assert 0 <= t1 <= t5 <= 1


def test_restore_with_trained_weights(project):
    video = next((project / 'datasets/sample/test/degraded').glob('*.mp4'))
    run(
        project,
        'restore',
        video,
        *CROP,
        '-o',
        'restored.mp4',
        '--weights',
        models(project, 4) / 'net_g_latest.pth',
        '--batch',
        '2',
    )
    with av.open(str(video)) as before, av.open(str(project / 'restored.mp4')) as after:
        streams = [container.streams.video[0] for container in (before, after)]
        assert streams[0].average_rate == streams[1].average_rate == Fraction(25)
        assert (streams[0].width, streams[0].height) == (streams[1].width, streams[1].height)
        assert len(list(before.decode(video=0))) == len(list(after.decode(video=0))) == 4


FOREIGN_MSRL = """
import sys
import pgtf_basicsr
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from basicsr.train import train_pipeline
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY

@ARCH_REGISTRY.register()
class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv3d(3, 3, 3, padding=1)
    def forward(self, x):
        return x + self.conv(x.transpose(1, 2)).transpose(1, 2)

@DATASET_REGISTRY.register()
class Noise(torch.utils.data.Dataset):
    def __init__(self, opt):
        self.opt = opt
    def __len__(self):
        return 8
    def __getitem__(self, index):
        gt = torch.rand(3, 3, 16, 16)
        return {'lq': gt, 'gt': gt}

if __name__ == '__main__':
    train_pipeline('.')
"""

FOREIGN_OPTIONS = """
name: foreign
model_type: VideoBaseModel
num_gpu: 0
manual_seed: 0
datasets:
  train: {name: noise, type: Noise, batch_size_per_gpu: 2, num_worker_per_gpu: 0}
network_g: {type: Plain}
path: {}
train:
  total_iter: 3
  optim_g: {type: Adam, lr: 0.001}
  scheduler: {type: MultiStepLR, milestones: [2], gamma: 0.5}
  pixel_opt: {type: MSRLLoss, scales: [1, 2]}
logger: {print_freq: 1, save_checkpoint_freq: 3, use_tb_logger: false}
"""


def test_foreign_project_trains_with_msrl_loss(tmp_path):
    """It knows nothing of this package but the import; loop, model and command line are BasicSR's."""
    (tmp_path / 'train.py').write_text(FOREIGN_MSRL)
    (tmp_path / 'foreign.yml').write_text(FOREIGN_OPTIONS)
    output = basicsr(tmp_path, '-opt', 'foreign.yml', launch=('train.py',))
    assert 'Loss [MSRLLoss] is created.' in output and 'iter:       3' in output and 'l_pix' in output
    assert (tmp_path / 'experiments/foreign/models/net_g_latest.pth').exists()


def test_sample_data_of_a_users_video(project, tmp_path):
    """A video made of the sample clips' own frames, as a user's would be: no landmarks, stage I trains on it."""
    frames = [cv2.imread(str(path)) for path in sorted((project / 'datasets/sample/train/GT').glob('*/*.png'))]
    with av.open(str(tmp_path / 'mine.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames * 8:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='bgr24')))
        container.mux(stream.encode(None))
    output = run(tmp_path, 'sample-data', 'datasets/sample', '--video', 'mine.mp4', '--size', '32')
    assert '1 clips to train on and 1 held out, 24 frames each' in output
    opt = stage_options(1)
    for dataset in opt['datasets'].values():
        dataset['dataroot_landmarks'] = None
        dataset['max_frames'] = 3
    run(tmp_path, 'train', '-opt', write_options(tmp_path, opt))
