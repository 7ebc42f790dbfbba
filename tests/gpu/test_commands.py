"""Commands on a GPU against the same on the CPU."""

import json
import shutil
from contextlib import contextmanager

import pytest
import torch

from pgtf_basicsr import config
from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.restoration import batches
from pgtf_basicsr.video import VideoReader
from pgtf_command import run_command

from ..helpers.crops import CROP, restore_crop
from ..helpers.quickstart import QUICKSTART, SMALL, stage_options, write_data, write_options
from ..helpers.small_networks import SWIN_PGTFORMER
from ..helpers.videos import moving_frames, psnr, write_video

pytestmark = pytest.mark.gpu

# PSNR in dB of frames restored on a GPU, against those of the CPU in fp32.
FRAMES = {'fp32': 45, 'bf16': 25, 'fp16': 25}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The current folder, with a network and a video in it."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = PGTFormer(**SWIN_PGTFORMER).eval()
    with torch.no_grad():  # greys in the middle of the range: 4:2:0 holds them as they are
        net.decoder.conv_out.weight.copy_(0.1 * net.decoder.conv_out.weight[:1])
        net.decoder.conv_out.bias.fill_(0.5)
    torch.save({'params': net.state_dict(), 'network': {'type': 'PGTFormer', **SWIN_PGTFORMER}}, 'net.pth')
    write_video(tmp_path / 'in.mp4', moving_frames(10, 40, 32), 25)
    return tmp_path


def frames_of(path):
    with VideoReader(path) as reader:
        return list(reader.images())


@pytest.mark.parametrize('precision', FRAMES)
@pytest.mark.parametrize('stride', [1, 3])
def test_restore(project, precision, stride, device, measured):
    if device.type == 'cpu' and precision == 'fp16':
        pytest.skip('takes long on a CPU')
    restore_crop('in.mp4', 'cpu.mp4', 'net.pth', device='cpu', stride=stride, crf=0)
    restore_crop('in.mp4', 'gpu.mp4', 'net.pth', device=device.type, stride=stride, crf=0, precision=precision)
    likeness = [psnr(a, b) for a, b in zip(frames_of('cpu.mp4'), frames_of('gpu.mp4'), strict=True)]
    assert len(likeness) == 10
    measured('PSNR in dB', min(likeness), at_least=FRAMES[precision])


def scores(path):
    return {name: value['restored'] for name, value in json.loads(path.read_text())['mean'].items()}


def test_test(project, weights, num_gpu, measured):
    write_data(project)
    found = []
    for name, where in (('cpu', 0), ('gpu', num_gpu)):
        opt = config.load(QUICKSTART / 'test_stage4.yml')
        opt.update(name=name, num_gpu=where)
        opt['network_g'].update(SMALL, tfr_levels=[16, 8])
        opt['datasets'].pop('test_2')
        opt['datasets']['test_1']['gt_size'] = 32
        opt['path']['pretrain_network_g'] = str(weights / 'network_g.pth')
        assert run_command(['test', '-opt', str(write_options(project, opt, f'{name}.yml'))]) == 0
        found.append(scores(project / 'results' / name / 'metrics_aligned.json'))
    assert found[0].keys() == found[1].keys() == {'psnr', 'ssim', 'msrl'}
    for name, value in found[0].items():
        measured(name, abs(found[1][name] - value), at_most={'psnr': 0.01, 'ssim': 1e-3, 'msrl': 1e-3}[name])


def test_evaluate(project, i3d_file, device, measured):
    """By a metric whose network runs on the GPU."""
    for folder, shift in (('gt', 0), ('restored', 3)):
        for name, size in (('one', 64), ('two', 80)):
            (project / folder).mkdir(exist_ok=True)
            frames = [frame // (shift + 1) for frame in moving_frames(10, size, 64)]
            write_video(project / folder / f'{name}.mp4', frames, 25)
    found = []
    for where in ('cpu', device.type):
        metric = f'fvd:window=10,weights={i3d_file},device={where}'
        command = ['evaluate', '--restored', 'restored', '--gt', 'gt', '--metrics', metric, '-o', where]
        assert run_command(command) == 0
        found.append(scores(project / where / 'metrics_clips.json')['fvd'])
    assert found[0] > 0
    measured('FVD, relative difference', abs(found[1] - found[0]) / found[0], at_most=1e-3)


@contextmanager
def memory_limit(device, size):
    """Context in which this process may have so many bytes of the GPU's memory, besides what it has."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + size) / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()


def refused(capsys, *arguments):
    """Run a command that must fail; returns its one line."""
    assert run_command([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert 'Traceback' not in error
    (line,) = [line for line in error.splitlines() if line.startswith('basicsr: ')]
    return line


RESTORE = ('restore', 'in.mp4', '-o', 'out/out.mp4', '--weights', 'net.pth', '--size', '512', *CROP)


def test_restore_names_the_options_that_take_less_memory(project, gpu, capsys):
    with memory_limit(torch.cuda.current_device(), 2**25):
        line = refused(capsys, *RESTORE)
    assert 'out of memory' in line and '--batch' in line and '--size' in line and '--precision' in line
    assert not (project / 'out').exists()
    assert run_command([*RESTORE]) == 0


def test_train_names_the_options_that_take_less_memory(project, gpu, capsys):
    write_data(project)
    path = write_options(project, stage_options(1, num_gpu=1, **{'datasets:train:gt_size': 256}))
    with memory_limit(torch.cuda.current_device(), 2**21):
        line = refused(capsys, 'train', '-opt', path)
    assert 'out of memory' in line and 'datasets.train.batch_size_per_gpu' in line and 'train.precision' in line


def peak(batch_size, device):
    """Bytes that the tensors of a restoration take of the GPU; what is reserved beyond can be given back."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    restore_crop('in.mp4', 'out.mp4', 'net.pth', batch_size=batch_size, size=512, stride=3, device='cuda')
    return torch.cuda.max_memory_allocated(device) - before


def test_batches_fit_into_the_memory_that_is_free(project, gpu, capsys, monkeypatch, measured):
    write_video(project / 'in.mp4', moving_frames(30, 40, 32), 25)
    device, chosen, choose = torch.cuda.current_device(), [], batches.batch_that_fits

    def noted(*arguments):
        chosen.append(choose(*arguments))
        return chosen[-1]

    monkeypatch.setattr(batches, 'batch_that_fits', noted)
    # What libraries allocate once is allocated.
    peak(8, device)
    one, eight = peak(1, device), peak(8, device)
    measured('memory of eight windows over that of one', eight / one, at_least=1.2)
    command = (*RESTORE, '--stride', '3')
    assert run_command(command) == 0
    with memory_limit(device, one + (eight - one) // 4):
        refused(capsys, *command, '--batch', '8')
        shutil.rmtree(project / 'out')
        assert run_command(command) == 0
    measured('windows where memory is scarce', chosen[1], at_most=4)
    assert chosen[0] == 8
    assert len(frames_of('out/out.mp4')) == 30
