"""``basicsr evaluate``: frames or videos, scored or refused."""

import csv
import gc
import json
import os
import signal
import tracemalloc

import av
import cv2
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from pgtf_basicsr.evaluation.clip_sources import find_clips
from pgtf_command import run_command as main

from ..helpers.processes import Run

SIZE = (32, 48)


def moving(seed, count=4):
    """Frames of smooth noise that drifts, (T, H, W, 3) uint8."""
    texture = cv2.resize(np.random.default_rng(seed).integers(0, 255, (12, 14, 3), dtype=np.uint8), (96, 64))
    return np.stack([texture[8 : 8 + SIZE[0], i : i + SIZE[1]] for i in range(count)])


def noisy(frames, seed):
    return (frames + np.random.default_rng(seed).normal(0, 6, frames.shape)).clip(0, 255).round().astype(np.uint8)


def write_frames(folder, frames, name='{:08d}.png'):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / name.format(number)), frame[..., ::-1])


def write_lossless(path, frames):
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264rgb', rate=25, options={'crf': '0'})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], 'rgb24'
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
        container.mux(stream.encode(None))


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """A folder with two clips, restored, real and degraded, as frames."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(('one', 'two')):
        gt = moving(seed)
        write_frames(tmp_path / 'gt' / name, gt)
        # Other methods name frames their own way, and not all pad the numbers.
        write_frames(tmp_path / 'restored' / name, noisy(gt, seed), 'out_{}.png')
        write_frames(tmp_path / 'degraded' / name, noisy(noisy(gt, seed), seed + 9))
    return tmp_path


def evaluate(*arguments, status=0):
    assert main(['evaluate', *map(str, arguments)]) == status


def results(folder, dataset='clips'):
    return json.loads((folder / f'metrics_{dataset}.json').read_text())


def test_scores_are_those_of_the_frames(clips, capsys):
    evaluate('--restored', 'restored', '--gt', 'gt', '--degraded', 'degraded', '--name', 'method')
    found = results(clips / 'results/method')
    expected = {
        name: peak_signal_noise_ratio(moving(seed), noisy(moving(seed), seed), data_range=255)
        for seed, name in enumerate(('one', 'two'))
    }
    assert list(found['mean']) == ['psnr', 'ssim', 'msrl', 'flicker']
    for name in expected:
        curve = found['curves'][name]['psnr']['restored']
        assert len(curve) == 4 and found['clips'][name]['psnr']['restored'] == pytest.approx(np.mean(curve))
        assert found['clips'][name]['psnr']['restored'] == pytest.approx(expected[name], abs=0.05)
    assert found['mean']['psnr']['restored'] > found['mean']['psnr']['degraded']
    with open(clips / 'results/method/frames.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['of'] == 'restored' and row['clip'] == 'two']
    assert [float(row['psnr']) for row in rows] == found['curves']['two']['psnr']['restored']
    assert 'PSNR' in capsys.readouterr().out and (clips / 'results/method/metrics.html').is_file()
    assert len(list((clips / 'results/method/pictures/clips').iterdir())) == 4


def test_identical_clips_are_perfect(clips):
    evaluate('--restored', 'gt', '--gt', 'gt', '-o', 'out', '--metrics', 'psnr', 'ssim', 'msrl', 'flicker')
    assert {name: value['restored'] for name, value in results(clips / 'out')['mean'].items()} == {
        'psnr': 'inf',
        'ssim': 1,
        'msrl': 'inf',
        'flicker': 0,
    }


def test_frames_and_a_lossless_video_of_them_score_alike(clips):
    (clips / 'videos').mkdir()
    for seed, name in enumerate(('one', 'two')):
        write_lossless(clips / 'videos' / f'{name}.mkv', noisy(moving(seed), seed))
    for restored in ('restored', 'videos'):
        evaluate('--restored', restored, '--gt', 'gt')
    of_frames, of_videos = (results(clips / 'results' / name) for name in ('restored', 'videos'))
    assert of_frames['curves'] == of_videos['curves'] and of_frames['mean'] == of_videos['mean']


def test_single_clips_belong_together_whatever_their_names(clips):
    write_lossless(clips / 'gt.mkv', moving(0))
    evaluate('--restored', 'restored/one', '--gt', 'gt.mkv', '-o', 'out', '--data-set', 'mine')
    assert list(results(clips / 'out', 'mine')['clips']) == ['one']


def test_without_ground_truth(clips):
    evaluate('--restored', 'restored', '--metrics', 'flicker', '-o', 'out')
    found = results(clips / 'out')
    assert list(found['mean']) == ['flicker'] and set(found['mean']['flicker']) == {'restored'}


def test_metrics_of_an_option_file(clips):
    (clips / 'some.yml').write_text('name: x\nval:\n  metrics:\n    y: {type: calculate_psnr, crop_border: 2}\n')
    evaluate('--restored', 'restored', '--gt', 'gt', '-opt', 'some.yml', '-o', 'out')
    assert 'border of 2 px' in results(clips / 'out')['metrics']['y']['label']


def test_a_metric_measured_in_two_ways(clips):
    evaluate('--restored', 'restored', '--gt', 'gt', '-o', 'out', '--metrics', 'psnr', 'psnr:test_y_channel=true')
    found = results(clips / 'out')
    assert [info['label'] for info in found['metrics'].values()] == ['RGB', 'Y channel']
    assert list(found['mean']) == ['psnr', 'psnr:test_y_channel=true']


def test_earlier_results_are_moved_aside(clips):
    for _ in range(2):
        evaluate('--restored', 'restored', '--gt', 'gt', '-o', 'out', '--metrics', 'psnr')
    (archived,) = clips.glob('out_archived_*')
    assert results(archived) == results(clips / 'out')


def kill_at_second_clip():
    """Let this process be killed when it writes the images of the second clip."""
    from pgtf_basicsr.evaluation import command

    def write(images, folder, dataset, clip):
        if clip == 'two':
            os.kill(os.getpid(), signal.SIGKILL)
        return write_images(images, folder, dataset, clip)

    write_images, command.write_images = command.write_images, write


def test_a_killed_evaluation_does_not_block_the_next_of_its_name(clips):
    arguments = ['--restored', 'restored', '--gt', 'gt', '--name', 'method', '--metrics', 'psnr']
    killed = Run(clips, 'evaluate', *arguments, before=kill_at_second_clip)
    assert killed.statuses() == [-signal.SIGKILL]
    assert (clips / 'results/method/pictures').is_dir() and not list((clips / 'results/method').glob('*.json'))
    evaluate(*arguments)
    assert list(results(clips / 'results/method')['clips']) == ['one', 'two']


def shorten(folder):
    (folder / 'restored/two/out_3.png').unlink()


def resize(folder):
    for path in (folder / 'restored/two').iterdir():
        cv2.imwrite(str(path), np.zeros((32, 32, 3), np.uint8))


def resize_one(folder):
    cv2.imwrite(str(folder / 'restored/one/out_2.png'), np.zeros((8, 8, 3), np.uint8))


def cut_one(folder):
    path = folder / 'gt/one/00000001.png'
    path.write_bytes(path.read_bytes()[:20])


def cut_video(folder):
    write_lossless(folder / 'whole.mkv', moving(0, 40))
    data = (folder / 'whole.mkv').read_bytes()
    (folder / 'restored/three.mkv').write_bytes(data[: len(data) // 2])


def rename(folder):
    (folder / 'gt/two').rename(folder / 'gt/three')


def leave(folder):
    for name in ('restored', 'gt'):
        for path in list((folder / name / 'one').iterdir())[1:]:
            path.unlink()


@pytest.mark.parametrize(
    'spoil, arguments, complaint',
    [
        (shorten, [], 'clip two: restored/two has 3 frames and its ground truth gt/two 4'),
        (resize, [], 'clip two: frames of restored/two are 32x32 and those of its ground truth gt/two 48x32'),
        (resize_one, [], 'restored/one/out_2.png is 8x8; the first frame of its clip is 48x32'),
        (cut_one, [], 'gt/one/00000001.png cannot be read as an image'),
        (cut_video, [], 'restored/three.mkv breaks off'),
        (rename, [], '--gt: gt has no clip two, which restored has'),
        (leave, ['--metrics', 'msrl'], 'clip one has 1 frame; metric msrl needs 2'),
        (None, ['--metrics', 'lmd'], 'metric lmd: alignment_WFLW_4HG.pth is missing'),
        (None, ['--metrics', 'fvd:weights=nothing.pt'], 'metric fvd: weights: there is no file nothing.pt'),
        (None, ['--metrics', 'psmr'], 'nothing is registered as calculate_psmr; did you mean calculate_psnr?'),
        (None, ['--metrics', 'psnr:crop_border=wide'], "crop_border is 'wide'"),
        (None, ['--metrics', 'psnr:crop_border'], 'expected NAME:KEY=VALUE'),
        (None, ['--metrics', 'code_accuracy'], 'compares codes'),
        (None, ['--metrics', 'psnr', '-opt', 'some.yml'], 'give one of them'),
        (None, ['-opt', 'some.yml'], 'cannot read the option file some.yml'),
        (None, ['--metrics', 'niqe'], '32 pixels at their shorter side; metric niqe needs 192'),
        (None, ['--gt', 'nowhere'], '--gt: there is nothing at nowhere'),
        (None, ['-o', 'restored'], 'holds --restored itself'),
        (None, ['-o', '.'], 'holds --restored itself'),
        (None, ['-o', 'degraded'], 'is there already and holds no results'),
        (None, ['--data-set', '../x'], '--data-set ../x cannot be the name of a file'),
    ],
)
def test_mistakes_are_refused_before_anything_is_scored(clips, capsys, spoil, arguments, complaint):
    if spoil:
        spoil(clips)
    gt = [] if '--gt' in arguments else ['--gt', 'gt']
    evaluate('--restored', 'restored', *gt, *arguments, status=2)
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith('basicsr: ')]
    assert len(error) == 1 and complaint in error[0]
    assert not (clips / 'results').exists() and not list(clips.glob('*archived*'))


def test_metric_that_needs_ground_truth_is_refused_without(clips, capsys):
    evaluate('--restored', 'restored', '--metrics', 'psnr', status=2)
    assert 'metric psnr needs the ground truth: name it with --gt' in capsys.readouterr().err


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    write_frames(tmp_path / 'clip', moving(0, 12), 'frame_{}.png')
    (clip,) = find_clips(tmp_path / 'clip', '--restored').values()
    assert [int(name[6:-4]) for name in clip.files] == list(range(12))
    assert all((frame == expected).all() for frame, expected in zip(clip, moving(0, 12)))


def test_memory_does_not_grow_with_the_length_of_clips(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    peaks = []
    # The first one fills caches.
    for count in (10, 100, 600):
        frames = np.broadcast_to(moving(0, 1), (count, *SIZE, 3))
        write_lossless(f'{count}.mkv', frames)
        gc.collect()
        tracemalloc.start()
        evaluate('--restored', f'{count}.mkv', '--gt', f'{count}.mkv', '--metrics', 'psnr', 'msrl')
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The frames themselves are 4.6 kB each; what may grow is a number a frame and metric, and Python's lists of free
    # tuples, up to their limit.
    assert peaks[2] - peaks[1] < 800 * 1000
