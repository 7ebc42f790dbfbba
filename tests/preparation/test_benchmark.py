"""Benchmarks: the same from every source, number of processes and processor; whatever is changed in one is found."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pgtf_basicsr.data.benchmarks import find_benchmark, protocol_of, protocol_of_dataset, read_benchmark
from pgtf_basicsr.data.clips import read_landmarks, write_landmarks
from pgtf_basicsr.data.vfhq_dataset import VFHQDataset
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.alignment import face_template
from pgtf_basicsr.faces.transforms import transform_points, warp
from pgtf_basicsr.images import read_image, to_image, write_image
from pgtf_basicsr.preparation.benchmark import checking
from pgtf_basicsr.preparation.benchmark.unfinished import UnfinishedBenchmark

from ..helpers.downloads import CLIPS
from ..helpers.processes import Run
from ..helpers.quickstart import ROOT
from ..helpers.storages import write_lmdb

FRAMES, SIZE = 3, 48
PROTOCOL = f"""name: small
size: {SIZE}
crops: [aligned, unaligned]
placement: {{offset: 0.05, scale: [0.93, 1.07], rotation: 5}}
degradation:
  sigma: [0.5, 1.5]
  scale: [2, 3]
  crf: [18, 25]
max_frames: {FRAMES}
seed: 0
"""
ANNA, ANNA_LATER, BERT = CLIPS
# What an x86 machine of 2006 lacks; the processes of these machines compute with SSE2 and SSE3.
OLD_PROCESSOR = {
    'OPENCV_CPU_DISABLE': 'SSE4.1,SSE4.2,AVX,FP16,AVX2,FMA3,AVX512_COMMON,AVX512_SKX,AVX512_ICL',
    'OPENCV_IPP': 'disabled',
    'NPY_DISABLE_CPU_FEATURES': 'X86_V3 X86_V4 AVX2 FMA3 AVX512F',
    'OPENBLAS_CORETYPE': 'Prescott',
    'GLIBC_TUNABLES': 'glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F',
}


@pytest.fixture(scope='session')
def protocol(tmp_path_factory):
    path = tmp_path_factory.mktemp('protocol') / 'small.yml'
    path.write_text(PROTOCOL)
    return path


def arguments_of(source, destination, protocol, *more):
    return ['prepare', 'benchmark', *map(str, (source, destination, '--protocol', protocol, *more))]


@pytest.fixture(scope='session')
def benchmark(download, protocol, tmp_path_factory):
    """One with given landmarks; tests must not change it."""
    from pgtf_command import run_command

    root = tmp_path_factory.mktemp('benchmark') / 'small'
    given = ('--landmarks', download / 'landmarks', '--workers', 1)
    assert run_command(arguments_of(download / 'clips', root, protocol, *given)) == 0
    return root


@pytest.fixture
def make(prepare, download, protocol, tmp_path):
    """Make one at ``tmp_path / name`` with given landmarks; returns its folder, or the lines of the failure."""

    def run(name, *arguments, source=download / 'clips', options=protocol, status=0):
        given = ('--landmarks', download / 'landmarks', '--workers', 1) if '--landmarks' not in arguments else ()
        arguments = ('--protocol', options, *given, *arguments)
        written = prepare('benchmark', source, tmp_path / name, *arguments, status=status)
        return tmp_path / name if status == 0 else written

    return run


@pytest.fixture
def broken(benchmark, tmp_path):
    shutil.copytree(benchmark, tmp_path / 'small')
    return tmp_path / 'small'


def manifest(root):
    return (root / 'manifest.json').read_bytes()


def change_json(path, change):
    contents = json.loads(path.read_text())
    change(contents)
    path.write_text(json.dumps(contents))


def frame_of(root, kind='GT', crop='aligned', clip=ANNA, number=1):
    return root / kind / crop / clip / f'{number:08d}.png'


def test_sources_and_processes_do_not_matter(benchmark, download, make, tmp_path):
    with tarfile.open(tmp_path / 'clips.tar', 'w') as archive:
        archive.add(download / 'clips', 'some/where')
    lmdb = write_lmdb(download / 'clips', tmp_path / 'clips.lmdb')
    for number, (source, *arguments) in enumerate(
        [(download / 'clips', '--workers', 2), (tmp_path / 'clips.tar',), (lmdb,)]
    ):
        made = make(str(number), *arguments, source=source)
        assert manifest(made) == manifest(benchmark)
        assert (made / 'protocol.yml').read_text() == PROTOCOL
        assert sorted(os.listdir(made)) == ['GT', 'LQ', 'landmarks', 'manifest.json', 'protocol.yml']


def test_the_processor_does_not_matter(benchmark, download, protocol, tmp_path):
    arguments = arguments_of(
        download / 'clips', tmp_path / 'old', protocol, '--landmarks', download / 'landmarks', '--workers', 1
    )
    done = subprocess.run(
        [sys.executable, '-m', 'pgtf_basicsr', *arguments],
        env={**os.environ, **OLD_PROCESSOR, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert manifest(tmp_path / 'old') == manifest(benchmark)


def test_found_landmarks_make_the_same_elsewhere(make, download, tmp_path, prepare, protocol):
    """Networks find them a little differently on every machine: the benchmark holds them for others to take."""
    prepare('benchmark', download / 'clips', tmp_path / 'found', '--protocol', protocol, '--workers', 1)
    for clip, (_, first, _) in CLIPS.items():
        true = read_landmarks(download / 'landmarks' / f'{clip}.txt')[f'{first + 1:08d}']
        ((frame, found),) = read_landmarks(tmp_path / 'found' / 'landmarks' / f'{clip}.txt').items()
        assert frame == f'{first + 1:08d}' and np.abs(found - true).max() < 6
    again = make('again', '--landmarks', tmp_path / 'found' / 'landmarks')
    assert manifest(again) == manifest(tmp_path / 'found')


def test_pixels_are_those_of_the_source(benchmark, download):
    """Aligned by the centre frame's landmarks, moved in the unaligned crop, degraded in the same way in both."""
    made = read_benchmark(benchmark)
    assert list(made.clips) == sorted(CLIPS) and made.kinds == ('GT', 'LQ') and made.label.startswith('small@')
    for clip, (_, first, suffix) in CLIPS.items():
        of_clip = made.clips[clip]
        landmarks = read_landmarks(download / 'landmarks' / f'{clip}.txt')[f'{first + 1:08d}']
        assert np.array_equal(of_clip['landmarks'], landmarks)
        matrices = {crop: np.array(of_clip['crops'][crop]['matrix']) for crop in ('aligned', 'unaligned')}
        distances = {
            crop: np.abs(transform_points(landmarks, matrix) - face_template(SIZE)).mean()
            for crop, matrix in matrices.items()
        }
        assert distances['aligned'] < 0.5 < distances['unaligned'] < 0.1 * SIZE
        for crop, matrix in matrices.items():
            (source,) = (download / 'clips').glob(f'*/{clip}/{first + 1:08d}.{suffix}')
            gt, lq = (read_image(frame_of(benchmark, kind, crop, clip)) for kind in ('GT', 'LQ'))
            assert np.abs(np.subtract(gt, warp(read_image(source), matrix, SIZE), dtype=int)).mean() < 0.5
            psnr = cv2.PSNR(gt, lq)
            assert 15 < psnr < 32
    draws = [of_clip['degradation']['noise_seed'] for of_clip in made.clips.values()]
    assert len(set(draws)) == len(draws)


def test_a_clip_does_not_depend_on_the_others(benchmark, make, protocol, tmp_path):
    (tmp_path / 'one.yml').write_text(PROTOCOL + f'clips: [{BERT}]\n')
    made = make('one', options=tmp_path / 'one.yml')
    assert read_benchmark(made).clips == {BERT: read_benchmark(benchmark).clips[BERT]}
    assert read_benchmark(made).identity != read_benchmark(benchmark).identity
    (tmp_path / 'one.yml').write_text(PROTOCOL + 'clips: [nobody]\n')
    error = make('none', options=tmp_path / 'one.yml', status=2)
    assert error.endswith(f'has no clip nobody, which {tmp_path}/one.yml, line 11 names') and error.count('\n') == 0


def test_blind_clips_have_no_ground_truth(make, tmp_path, prepare):
    lines = PROTOCOL.replace('degradation:', 'degradation: ~').splitlines(keepends=True)
    (tmp_path / 'blind.yml').write_text(''.join(line for line in lines if not line.startswith('  ')))
    made = make('blind', options=tmp_path / 'blind.yml')
    assert sorted(os.listdir(made)) == ['LQ', 'landmarks', 'manifest.json', 'protocol.yml']
    assert prepare('check', made, '--workers', 1).endswith('no problems\n')
    label = read_benchmark(made).label
    assert protocol_of(None, made / 'LQ' / 'aligned', dict.fromkeys(CLIPS, FRAMES)) == label
    options = {'name': 'blind', 'phase': 'test', 'dataroot_lq': str(made / 'LQ' / 'aligned'), 'gt_size': SIZE}
    assert protocol_of_dataset(VFHQDataset(options)) == label


# ----------------------------------------------------------------------------- interruptions and refusals


def killed_after_a_clip():
    """In the command's process: SIGKILL once a clip is done."""
    add = UnfinishedBenchmark.add

    def add_and_die(self, *arguments):
        add(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    UnfinishedBenchmark.add = add_and_die


def test_a_killed_run_leaves_nothing_half_written_and_resumes(benchmark, download, make, protocol, tmp_path):
    given = ('--landmarks', download / 'landmarks', '--workers', 1)
    run = Run(tmp_path, *arguments_of(download / 'clips', 'resumed', protocol, *given), before=killed_after_a_clip)
    run.statuses()
    assert os.listdir(tmp_path) == ['.resumed.unfinished']
    (kept,) = (tmp_path / '.resumed.unfinished' / 'benchmark' / 'GT' / 'aligned').iterdir()
    inode = (kept / '00000000.png').stat().st_ino
    made = make('resumed')
    assert manifest(made) == manifest(benchmark) and os.listdir(tmp_path) == ['resumed']
    assert frame_of(made, clip=kept.name, number=0).stat().st_ino == inode


def test_a_broken_clip_stops_it(make, source, prepare, tmp_path):
    (path,) = (source / 'clips').glob(f'*/{BERT}/00000101.jpg')
    data = path.read_bytes()
    path.write_bytes(data[:100])
    error = make('out', source=source / 'clips', status=2)
    assert f'clip {BERT}: image 00000101.jpg' in error and error.count('\n') == 0
    assert not (tmp_path / 'out').exists()
    path.unlink()
    assert f'clip {BERT}: frame 00000101 is missing' in make('out', source=source / 'clips', status=2)
    write_image(path, np.zeros((20, 30, 3), np.uint8))
    assert 'is 96x96, and the centre frame 30x20' in make('out', source=source / 'clips', status=2)
    path.write_bytes(data)
    assert manifest(make('out', source=source / 'clips')) == manifest(make('direct'))
    assert not list(tmp_path.glob('.*'))


def test_what_is_there_is_not_overwritten(benchmark, broken, make, tmp_path):
    assert 'holds a benchmark already' in make('small', status=2)
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'mine.txt').write_text('')
    assert 'is not an empty folder' in make('other', status=2)
    (tmp_path / 'empty').mkdir()
    assert manifest(make('empty')) == manifest(benchmark)


def test_clips_without_landmarks_are_refused(make, source, tmp_path, prepare, protocol):
    path = source / 'landmarks' / f'{BERT}.txt'
    write_landmarks(path, {name: points for name, points in read_landmarks(path).items() if name != '00000101'})
    error = make('out', '--landmarks', source / 'landmarks', '--workers', 1, status=2)
    assert f'clip {BERT}: --landmarks have none of its centre frame 00000101' in error
    (clip,) = (source / 'clips').glob(f'*/{BERT}')
    for file in clip.iterdir():
        write_image(file, np.zeros((96, 96, 3), np.uint8))
    error = prepare('benchmark', clip, tmp_path / 'out', '--protocol', protocol, '--workers', 1, status=2)
    assert 'no face found in its centre frame 00000101; give its --landmarks' in error
    assert not (tmp_path / 'out').exists() and not list(tmp_path.glob('.*'))


# ----------------------------------------------------------------------------- the check


def test_a_whole_one_has_no_problems(benchmark, prepare):
    label = read_benchmark(benchmark).label
    for arguments in (('--workers', 2), ('--quick', '--workers', 1)):
        assert prepare('check', benchmark, *arguments) == (
            f'{benchmark}: benchmark {label}: 3 clips, 9 frames, aligned and unaligned, GT and LQ\n'
            f'{benchmark}: no problems\n'
        )


@pytest.mark.parametrize('kind, crop', [('GT', 'aligned'), ('LQ', 'unaligned')])
def test_every_changed_byte_is_found(broken, prepare, kind, crop):
    path = frame_of(broken, kind, crop)
    data = path.read_bytes()
    for position in (0, 9, 20, 31, len(data) // 2, len(data) - 14, len(data) - 1):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        error = prepare('check', broken, '--workers', 1, status=2)
        assert f'{kind}/{crop}/{ANNA}/00000001.png' in error and error.count('\n') == 0, position
    path.write_bytes(data + b'\0')
    assert 'is broken' in prepare('check', broken, '--workers', 1, status=2)


def test_other_pixels_are_found_and_other_compression_is_none(broken, prepare):
    path = frame_of(broken)
    image = cv2.imread(str(path))
    before = path.read_bytes()
    cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert path.read_bytes() != before
    assert prepare('check', broken, '--workers', 1).endswith('no problems\n')
    image[5, 7, 0] ^= 1
    cv2.imwrite(str(path), image)
    error = prepare('check', broken, '--workers', 1, status=2)
    assert error.endswith(f'GT/aligned/{ANNA}/00000001.png: its pixels were changed')


def test_missing_and_added_files_are_found(broken, prepare):
    frame_of(broken).rename(frame_of(broken, number=7))
    shutil.copytree(broken / 'LQ' / 'aligned' / BERT, broken / 'LQ' / 'aligned' / 'new')
    error = prepare('check', broken, '--quick', '--workers', 1, status=2)
    assert error.splitlines() == [
        f'basicsr: {broken}: LQ/aligned/new is not part of it',
        f'basicsr: {broken}: GT/aligned/{ANNA}/00000001.png is missing',
        f'basicsr: {broken}: GT/aligned/{ANNA}/00000007.png is not part of it',
    ]


def test_changed_options_are_found(broken, prepare):
    path = broken / 'protocol.yml'
    path.write_text(PROTOCOL.replace('[18, 25]', '[18, 24]').replace('rotation: 5', 'rotation: 6'))
    assert prepare('check', broken, '--quick', '--workers', 1, status=2).splitlines() == [
        f'basicsr: {broken}: protocol.yml, line 4: placement.rotation is 6, and 5 in manifest.json',
        f'basicsr: {broken}: protocol.yml, line 8: degradation.crf is [18, 24], and [18, 25] in manifest.json',
    ]
    path.write_text(PROTOCOL.replace('crf', 'cfr'))
    assert 'line 8: degradation.cfr: there is no such option' in prepare('check', broken, '--quick', status=2)


def test_a_changed_manifest_is_found(benchmark, broken, prepare):
    path = broken / 'manifest.json'

    def problems(change):
        path.write_bytes(manifest(benchmark))
        change_json(path, change)
        with pytest.raises(UserError, match='manifest.json: its .* were changed'):
            find_benchmark(broken / 'GT' / 'aligned')
        return prepare('check', broken, '--workers', 1, status=2)

    error = problems(lambda contents: contents['versions'].update(x264='164'))
    assert 'manifest.json: its versions were changed' in error
    error = problems(lambda contents: contents['protocol'].update(seed=1))
    assert 'its protocol or its clips were changed' in error
    assert 'protocol.yml, line 10: seed is 0, and 1 in manifest.json' in error
    error = problems(lambda contents: contents['clips'][BERT]['crops']['aligned']['LQ'].update(sha256='0'))
    assert f'LQ/aligned/{BERT}: its frames do not have the hash that manifest.json states' in error
    path.write_text('{}')
    assert 'is not the manifest of a benchmark (KeyError' in prepare('check', broken, status=2)


def test_changed_landmarks_are_found(broken, prepare):
    path = broken / 'landmarks' / f'{ANNA}.txt'
    path.write_text(path.read_text().replace('.', '.1', 1))
    error = prepare('check', broken, '--quick', '--workers', 1, status=2)
    assert error.endswith(f'landmarks/{ANNA}.txt: its landmarks are not those of manifest.json')


def test_other_installed_versions_are_said(benchmark, prepare, monkeypatch):
    """They are no fault of the pixels, which are checked themselves."""
    here = {**read_benchmark(benchmark).versions, 'x264': '999'}
    monkeypatch.setattr(checking, 'installed_versions', lambda: here)
    output = prepare('check', benchmark, '--quick', '--workers', 1)
    assert f'x264 {read_benchmark(benchmark).versions["x264"]} (here 999)' in output and 'no problems' in output


# ----------------------------------------------------------------------------- reading it


def test_datasets_read_it_as_it_is_and_know_its_protocol(benchmark, tmp_path):
    label = read_benchmark(benchmark).label
    options = {
        'name': 'aligned',
        'phase': 'test',
        'dataroot_gt': str(benchmark / 'GT' / 'aligned'),
        'dataroot_lq': str(benchmark / 'LQ' / 'aligned'),
        'gt_size': SIZE,
    }
    item = VFHQDataset(options)[0]
    for key, kind in (('gt', 'GT'), ('lq', 'LQ')):
        stored = [read_image(frame_of(benchmark, kind, clip=item['folder'], number=number)) for number in range(FRAMES)]
        assert np.array_equal(to_image(item[key]), stored)
    (tmp_path / 'link').symlink_to(benchmark / 'GT' / 'aligned')
    (tmp_path / 'all.txt').write_text(''.join(f'{clip}/{FRAMES}\n' for clip in CLIPS))
    (tmp_path / 'some.txt').write_text(f'{BERT}/{FRAMES}\n{ANNA}/{FRAMES}\n')
    for change in (
        {},
        {'dataroot_gt': str(tmp_path / 'link')},
        {'max_frames': FRAMES},
        {'meta_info_file': str(tmp_path / 'all.txt')},
    ):
        assert protocol_of_dataset(VFHQDataset({**options, **change})) == label, change
    for change in (
        {'dataroot_lq': None},
        {'dataroot_lq': str(benchmark / 'LQ' / 'unaligned')},
        {'dataroot_gt': None},
        {'gt_size': 32},
        {'aligned': False},
        {'placement': {'offset': 0.1}},
        {'max_frames': FRAMES - 1},
        {'meta_info_file': str(tmp_path / 'some.txt')},
    ):
        assert protocol_of_dataset(VFHQDataset({**options, **change})) == '', change
    shutil.copytree(benchmark / 'GT' / 'aligned', tmp_path / 'GT')
    assert protocol_of_dataset(VFHQDataset({**options, 'dataroot_gt': str(tmp_path / 'GT'), 'dataroot_lq': None})) == ''


def test_a_dataset_of_some_clips_has_no_protocol(broken):
    for kind in ('GT', 'LQ'):
        shutil.rmtree(broken / kind / 'aligned' / BERT)
    options = {f'dataroot_{kind.lower()}': str(broken / kind / 'aligned') for kind in ('GT', 'LQ')}
    dataset = VFHQDataset({'name': 'aligned', 'phase': 'test', 'gt_size': SIZE, **options})
    assert len(dataset) == len(CLIPS) - 1 and protocol_of_dataset(dataset) == ''


def states_the_protocol(root, name, restored, *arguments):
    """Whether results of ``basicsr evaluate`` have the label of a benchmark: all their files, or none."""
    from pgtf_command import run_command

    paths = map(str, (restored, *arguments))
    assert run_command(['evaluate', '--restored', *paths, '--metrics', 'psnr', '--name', name]) == 0
    label, results = read_benchmark(root).label, Path('results', name)
    stated = json.loads((results / 'metrics_clips.json').read_text())['protocol'] == label
    for file in ('metrics_clips.json', 'metrics.md', 'metrics.html'):
        assert (label in (results / file).read_text()) == stated, file
    return stated


def test_results_state_the_protocol(benchmark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gt, lq = (benchmark / kind / 'unaligned' for kind in ('GT', 'LQ'))
    some = tmp_path / 'some'
    shutil.copytree(lq, some)
    shutil.rmtree(some / BERT)
    for name, restored, arguments, expected in (
        ('both', lq, ['--gt', gt, '--degraded', lq], True),
        ('gt', lq, ['--gt', gt], True),
        ('two crops', lq, ['--gt', gt, '--degraded', benchmark / 'LQ' / 'aligned'], False),
        # Of the benchmark, but less than its clips.
        ('some', some, ['--gt', gt, '--degraded', lq], False),
        ('one', lq / ANNA, ['--gt', gt], False),
        ('folder of one', lq / ANNA, ['--gt', gt / ANNA], False),
        ('degraded one', lq / ANNA, ['--gt', gt / ANNA, '--degraded', lq / ANNA], False),
    ):
        assert states_the_protocol(benchmark, name, restored, *arguments) == expected, name


def test_the_one_clip_of_a_benchmark_is_all_of_it(make, tmp_path, monkeypatch):
    """Whatever the restored clip is called, and only where the folder of the crop is named."""
    (tmp_path / 'one.yml').write_text(PROTOCOL + f'clips: [{ANNA}]\n')
    made = make('made', options=tmp_path / 'one.yml')
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / 'LQ' / 'aligned' / ANNA, tmp_path / 'restored')
    gt = made / 'GT' / 'aligned'
    assert states_the_protocol(made, 'crop', 'restored', '--gt', gt)
    assert not states_the_protocol(made, 'clip', 'restored', '--gt', gt / ANNA)
