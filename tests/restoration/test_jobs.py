"""Restorations that are killed, stopped or out of disk space, and resumed."""

import errno
import json
import random
import re
import resource
import shutil
import signal
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from pgtf_basicsr.errors import DataError, UserError
from pgtf_basicsr.images import write_image
from pgtf_basicsr.restoration.io import segments
from pgtf_basicsr.restoration.io.outputs import VideoOutput
from pgtf_basicsr.restoration.jobs import Job, job_folder
from pgtf_basicsr.restoration.reports import JsonReport, TextReport
from pgtf_basicsr.samples.scenes import two_faces

from ..helpers.crops import CROP, restore_crop
from ..helpers.processes import Run, run
from ..helpers.small_networks import PGTFormer, build, write
from ..helpers.videos import audio_packets, decoded, moving_frames, write_video

SEGMENT = 3


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(VideoOutput, 'segment_frames', SEGMENT)


def shorten_segments():
    """The same in another process."""
    VideoOutput.segment_frames = SEGMENT


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write(tmp_path_factory.mktemp('weights') / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp('source') / 'in.mp4', moving_frames(13, 48, 32), 25, audio='aac')


class Killed(BaseException):
    """Stands for whatever ends a process."""


class EndsAfter(TextReport):
    """Ends the restoration after so many frames."""

    def __init__(self, frames):
        super().__init__()
        self.frames = frames

    def advance(self, outcome, progress):
        super().advance(outcome, progress)
        if outcome.frames == self.frames:
            raise Killed


class ActsAfter(TextReport):
    """Does something to the input after so many frames."""

    def __init__(self, frames, act):
        super().__init__()
        self.frames, self.act = frames, act

    def advance(self, outcome, progress):
        super().advance(outcome, progress)
        if outcome.frames == self.frames:
            self.act()


def assert_equal_videos(a, b):
    frames, others = decoded(a), decoded(b)
    assert len(frames) == len(others) > 0
    for (image, shown), (other, other_shown) in zip(frames, others):
        assert shown == other_shown and (image == other).all()
    assert audio_packets(a) == audio_packets(b)


@pytest.mark.parametrize(
    'options',
    [dict(), dict(stride=2, batch_size=2, codec='ffv1', start=Fraction(1, 25), end=Fraction(12, 25))],
    ids=['plain', 'strided part'],
)
def test_a_resumed_restoration_equals_one_that_was_never_interrupted(source, weights, tmp_path, options):
    """`test_segments` has all strides and sizes of batches."""
    target = tmp_path / 'out.mkv'
    restore_crop(source, tmp_path / 'whole.mkv', weights, size=16, **options)
    for frames in (5, 8):
        with pytest.raises(Killed):
            restore_crop(source, target, weights, resume=True, report=EndsAfter(frames), size=16, **options)
        assert not target.exists()
    kept = len(list((job_folder(target) / 'segments').glob('0*')))
    outcome = restore_crop(source, target, weights, resume=True, size=16, **options)
    assert outcome.resumed == SEGMENT * kept > 0
    assert_equal_videos(target, tmp_path / 'whole.mkv')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['out.mkv', 'whole.mkv']


@pytest.fixture(scope='module')
def begun(source, weights, tmp_path_factory):
    """The output of a restoration that was ended in its third segment; tests must not change its job."""
    target = tmp_path_factory.mktemp('begun') / 'out.mp4'
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(VideoOutput, 'segment_frames', SEGMENT)
        restore_crop(source, target, weights, report=EndsAfter(11), size=16)
    assert len(list((job_folder(target) / 'segments').glob('0*.nut'))) >= 2
    return target


def refusal(source, target, weights, **options):
    """Why a restoration is refused; nothing of the job has changed then."""
    before = {path: path.read_bytes() for path in job_folder(target).rglob('*') if path.is_file()}
    with pytest.raises(UserError) as caught:
        restore_crop(source, target, weights, **{'size': 16, **options})
    assert {path: path.read_bytes() for path in job_folder(target).rglob('*') if path.is_file()} == before
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_nothing_is_lost_without_resume(source, weights, begun):
    assert re.search(
        r'out.mp4 is not finished: \d+ restored frames are kept in .*; add --resume to continue it, or remove '
        'that folder to begin again',
        refusal(source, begun, weights),
    )


@pytest.mark.parametrize(
    'change, difference',
    [
        (dict(fidelity=0.5), 'fidelity was 1.0 and is now 0.5'),
        (dict(stride=2), 'stride was 1 and is now 2'),
        (dict(crf=30), 'crf was None and is now 30'),
        (dict(start=Fraction(1, 5)), 'start was None and is now 1/5'),
    ],
)
def test_resuming_with_other_options_is_refused(source, weights, begun, change, difference):
    found = refusal(source, begun, weights, resume=True, **change)
    assert f'out.mp4 cannot be resumed: {difference}; use what it was begun with, or remove' in found


def test_resuming_with_other_files_is_refused(source, weights, begun, tmp_path):
    other_weights = write(tmp_path / 'other.pth', PGTFormer, params=build(PGTFormer, seed=1).state_dict())
    assert 'cannot be resumed: weights was' in refusal(source, begun, other_weights, resume=True)
    other = write_video(tmp_path / 'other.mp4', moving_frames(14, 48, 32), 25)
    assert 'cannot be resumed: input size was' in refusal(other, begun, weights, resume=True)


def test_resuming_with_another_version_is_refused(source, weights, begun, tmp_path):
    job = shutil.copytree(job_folder(begun), job_folder(tmp_path / 'out.mp4'))
    description = json.loads((job / 'job.json').read_text())
    (job / 'job.json').write_text(json.dumps({**description, 'PyAV': '1.0'}))
    found = refusal(source, tmp_path / 'out.mp4', weights, resume=True)
    assert 'cannot be resumed: PyAV was 1.0 and is now' in found


def test_two_processes_do_not_restore_the_same(source, weights, tmp_path):
    target = tmp_path / 'out.mp4'
    with (
        Job(target, '.nut', {}, resume=False),
        pytest.raises(UserError, match='another process is restoring .*out.mp4'),
    ):
        restore_crop(source, target, weights, size=16)


def test_where_frames_take_long_each_is_kept(source, weights, tmp_path, monkeypatch):
    """Slow is what takes any time at all here."""
    monkeypatch.setattr(segments, 'SECONDS_AT_RISK', 0)
    monkeypatch.setattr(VideoOutput, 'segment_frames', 5)
    target = tmp_path / 'out.mkv'
    restore_crop(source, tmp_path / 'whole.mkv', weights, size=16)
    for frames, least in ((5, 2), (9, 5)):
        with pytest.raises(Killed):
            restore_crop(source, target, weights, resume=True, report=EndsAfter(frames), size=16)
        kept = list((job_folder(target) / 'frames').iterdir())
        assert least <= 5 * len(list((job_folder(target) / 'segments').iterdir())) + len(kept) <= frames
    assert kept
    outcome = restore_crop(source, target, weights, resume=True, size=16)
    assert outcome.resumed >= 6 and outcome.frames == 13
    assert_equal_videos(target, tmp_path / 'whole.mkv')
    assert not job_folder(target).exists()


def test_frames_that_earlier_versions_kept_are_restored_again(tmp_path):
    kept = job_folder(tmp_path / 'out.mkv') / 'frames' / '00000000.npz'
    kept.parent.mkdir(parents=True)
    np.savez(kept, image=np.zeros((32, 48, 3), np.uint8), times=['0', '1/25'])
    with Job(tmp_path / 'out.mkv', '.nut', {}, resume=True) as job:
        assert job.num_frames == 0 and not kept.exists()


@pytest.fixture
def images(tmp_path):
    (tmp_path / 'images').mkdir()
    for number, image in enumerate(moving_frames(40, 48, 32)):
        write_image(tmp_path / 'images' / f'{number:02d}.png', image)
    return tmp_path / 'images'


def test_an_image_that_is_out_of_reach_for_a_while_costs_no_segments(images, weights, tmp_path, caplog):
    """It is moved away and back, as an unplugged disk takes it away."""
    target, last, away = tmp_path / 'out.mkv', images / '39.png', tmp_path / 'away.png'
    restore_crop(images, tmp_path / 'whole.mkv', weights, size=16)
    with pytest.raises(DataError, match='cannot read image .*39.png: No such file'):
        restore_crop(images, target, weights, report=ActsAfter(5, lambda: last.rename(away)), size=16)
    assert 'out.mkv is not finished: ' in caplog.text and '--resume continues it' in caplog.text
    away.rename(last)
    outcome = restore_crop(images, target, weights, resume=True, size=16)
    assert outcome.resumed >= 10 * SEGMENT and outcome.frames == 40
    assert [image.tolist() for image, _ in decoded(target)] == [
        image.tolist() for image, _ in decoded(tmp_path / 'whole.mkv')
    ]


def test_a_broken_image_leaves_nothing(images, weights, tmp_path, caplog):
    report = ActsAfter(5, lambda: (images / '39.png').write_bytes(b'no image'))
    with pytest.raises(DataError, match='39.png .* is not a whole image'):
        restore_crop(images, tmp_path / 'out.mkv', weights, report=report, size=16)
    assert [path.name for path in tmp_path.iterdir()] == ['images'] and 'is not finished' not in caplog.text


@pytest.mark.parametrize(
    'cause, kept',
    [
        (av.error.OSError(errno.EIO, 'Input/output error', 'fd:'), True),
        (OSError(errno.ESTALE, 'Stale file handle'), True),
        (av.error.InvalidDataError(1, 'Invalid data found when processing input', 'fd:'), False),
        (None, False),
    ],
    ids=['a disk', 'a server', 'broken data', 'no cause'],
)
def test_errors_of_reading_keep_finished_segments(tmp_path, cause, kept):
    with pytest.raises(DataError, match='cannot be decoded'), Job(tmp_path / 'out.mkv', '.nut', {}, False) as job:
        job.segment(0).write_bytes(b'a segment')
        job.finish_segment(job.segment(0))
        raise DataError('in.mp4 cannot be decoded after frame 100') from cause
    assert job.segment(0).exists() == kept == job.folder.exists()


@pytest.mark.parametrize('suffix', ['.mkv', '.mp4'])
def test_frames_are_counted_where_joining_failed(weights, tmp_path, monkeypatch, capsys, suffix):
    """The last segment is a shorter one; .mkv does not state how many frames it has."""
    source = write_video(tmp_path / f'in{suffix}', moving_frames(13, 48, 32), 25)
    with monkeypatch.context() as patch, pytest.raises(UserError, match='cannot write'):
        patch.setattr(VideoOutput, 'join', fail_to_join)
        restore_crop(source, tmp_path / 'out.mkv', weights, size=16)
    capsys.readouterr()
    outcome = restore_crop(source, tmp_path / 'out.mkv', weights, resume=True, size=16, report=JsonReport())
    start, end = map(json.loads, capsys.readouterr().out.splitlines())
    assert outcome.frames == outcome.resumed == len(decoded(tmp_path / 'out.mkv')) == 13
    assert start['frames'] == (None if suffix == '.mkv' else 13) and start['resumed'] == 13
    assert (end['frames'], end['resumed']) == (13, 13)


def fail_to_join(*arguments):
    raise UserError('cannot write out.mkv: No space left on device')


def test_an_ended_restoration_without_a_segment_leaves_nothing(source, weights, tmp_path):
    with pytest.raises(Killed):
        restore_crop(source, tmp_path / 'out.mp4', weights, report=EndsAfter(1), size=16)
    assert list(tmp_path.iterdir()) == []


def start(folder, source, weights, *arguments, **options):
    return Run(
        folder,
        'restore',
        source,
        *CROP,
        '-o',
        'out.mkv',
        '--weights',
        weights,
        '--size',
        16,
        *arguments,
        before=shorten_segments,
        **options,
    )


@pytest.mark.slow
def test_killed_ten_times_and_resumed(source, weights, tmp_path):
    """At random points: reading, restoring, finishing a segment, joining."""
    restore_crop(source, tmp_path / 'whole.mkv', weights, size=16)
    # Twice: the first may have to wait for the server that processes are forked off.
    for _ in range(2):
        began = time.monotonic()
        assert start(tmp_path, source, weights).statuses() == [0]
        seconds = time.monotonic() - began
        (tmp_path / 'out.mkv').unlink()
    draw, killed = random.Random(0), 0
    while killed < 10:
        command = start(tmp_path, source, weights, '--resume')
        command.wait(draw.uniform(0.2, 0.9) * seconds)
        if command.kill():
            killed += 1
        else:
            # Other tests took more of the machine when the time was measured.
            seconds *= 0.8
        if (tmp_path / 'out.mkv').exists():
            assert_equal_videos(tmp_path / 'out.mkv', tmp_path / 'whole.mkv')
            (tmp_path / 'out.mkv').unlink()
    command = start(tmp_path, source, weights, '--resume')
    assert command.statuses() == [0], command.output()
    assert_equal_videos(tmp_path / 'out.mkv', tmp_path / 'whole.mkv')
    assert not job_folder(tmp_path / 'out.mkv').exists()


@pytest.mark.slow
def test_killed_in_both_passes_over_faces_and_resumed(weights, tmp_path):
    """While faces are looked for, and after some frames are restored; the first pass is then not made again."""
    scene = two_faces(40)
    source = write_video(tmp_path / 'in.mp4', [scene.frame(n) for n in range(scene.length)], 25, audio='aac')
    arguments = ('restore', source, '--weights', weights, '--size', 16, '--device', 'cpu', '--json')
    command = Run(tmp_path, *arguments, '-o', 'out.mkv', before=shorten_segments)
    command.wait_for('"event": "progress"')
    assert command.kill() and '"pass": "restoration"' not in command.output()
    assert [path.name for path in tmp_path.iterdir()] == ['in.mp4']

    command = Run(tmp_path, *arguments, '-o', 'out.mkv', '--resume', before=shorten_segments)
    while not (job_folder(tmp_path / 'out.mkv') / 'segments' / '00000001.nut').exists():
        command.wait(0.005)
        assert command.processes[0].is_alive(), command.output()
    assert command.kill() and not (tmp_path / 'out.mkv').exists()

    output = run(tmp_path, *arguments, '-o', 'out.mkv', '--resume', before=shorten_segments)
    passes = [event for event in map(json.loads, output.splitlines()) if event['event'] == 'start']
    assert [event['pass'] for event in passes] == ['restoration'] and passes[0]['resumed'] >= 2 * SEGMENT
    assert 'were found before' in output
    run(tmp_path, *arguments, '-o', 'whole.mkv', before=shorten_segments)
    assert_equal_videos(tmp_path / 'out.mkv', tmp_path / 'whole.mkv')
    assert not job_folder(tmp_path / 'out.mkv').exists()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_keep_finished_segments_and_nothing_half_written(source, weights, tmp_path, number):
    long = write_video(tmp_path / 'long.mp4', moving_frames(200, 48, 32), 25)
    command = start(tmp_path, long, weights)
    while not (job_folder(tmp_path / 'out.mkv') / 'segments' / '00000001.nut').exists():
        command.wait(0.01)
    command.signal(number)
    assert command.statuses() == [128 + number]
    assert 'Traceback' not in command.output()
    assert 'out.mkv is not finished: ' in command.output() and '--resume continues it' in command.output()
    if number != signal.SIGINT:
        assert f'basicsr: ended by {signal.Signals(number).name}' in command.output()
    job = job_folder(tmp_path / 'out.mkv')
    assert sorted(path.name for path in job.iterdir()) == ['frames', 'job.json', 'lock', 'segments']
    names = sorted(path.name for path in (job / 'segments').iterdir())
    assert names == [f'{index:08d}.nut' for index in range(len(names))] and len(names) >= 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.out.mkv.restoring', 'long.mp4']


def test_a_full_disk_can_be_resumed(source, weights, tmp_path):
    """Limits on a file's size stand for the end of the disk: not even a description, a segment, or the whole fits."""
    restore_crop(source, tmp_path / 'whole.mkv', weights, size=16, codec='ffv1')
    largest = (tmp_path / 'whole.mkv').stat().st_size // 5
    for limit in (500, largest // 2, 2 * largest):
        command = start(tmp_path, source, weights, '--codec', 'ffv1', '--resume', limits={resource.RLIMIT_FSIZE: limit})
        assert command.statuses() == [2]
        assert 'basicsr: cannot write out.mkv: File too large' in command.output()
        assert 'Traceback' not in command.output()
        assert not [path for path in tmp_path.rglob('*') if 'partial' in path.name]
    assert len(list((job_folder(tmp_path / 'out.mkv') / 'segments').iterdir())) == 5
    command = start(tmp_path, source, weights, '--codec', 'ffv1', '--resume')
    assert command.statuses() == [0], command.output()
    assert_equal_videos(tmp_path / 'out.mkv', tmp_path / 'whole.mkv')
