"""``basicsr restore`` as people and programs use it, and as docs/videos.md says: parts, folders, pipes, JSON lines."""

import json
import shutil
import subprocess
import sys
from fractions import Fraction

import av
import pytest

from pgtf_basicsr.restoration.command import parse_time
from pgtf_command import run_command

from ..helpers.crops import CROP
from ..helpers.litter import litter
from ..helpers.quickstart import environment
from ..helpers.small_networks import PGTFormer, build, write
from ..helpers.videos import audio_packets, decoded, frame_times, moving_frames, write_video


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write(tmp_path_factory.mktemp('weights') / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp('source') / 'in.mp4', moving_frames(12, 48, 32), 25, audio='aac')


@pytest.fixture
def restore(weights, capsys):
    """Run ``basicsr restore``, which must end with a status; returns what it wrote to standard output and error."""

    def run(*arguments, status=0):
        command = ['restore', *map(str, arguments), '--weights', str(weights), '--size', '16', *CROP]
        assert run_command(command) == status
        return capsys.readouterr()

    return run


@pytest.mark.parametrize(
    'text, seconds',
    [
        ('12.5', Fraction(25, 2)),
        ('0', 0),
        ('2:03', 123),
        ('1:02:03.5', Fraction(7447, 2)),
        ('0:0:0.040', Fraction(1, 25)),
    ],
)
def test_times(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize('text', ['', '-1', '1:2:3:4', '1:', ':1', '1,5', 'soon', '1e3', '١'])
def test_what_is_not_a_time(text, source, capsys):
    with pytest.raises(SystemExit) as end:
        run_command(['restore', str(source), '-o', 'out.mp4', '--weights', 'w.pth', f'--start={text}'])
    assert end.value.code == 2 and 'must be seconds or hours:minutes:seconds' in capsys.readouterr().err


def test_a_part_has_its_frames_in_step_with_its_sound(restore, source, tmp_path):
    restore(source, '-o', tmp_path / 'out.mp4', '--start', '0.08', '--end', '0:0.36')
    times = frame_times(source)
    expected = [time - 0.08 for time in times if 0.08 <= time < 0.36]
    assert frame_times(tmp_path / 'out.mp4') == pytest.approx(expected, abs=1e-3) and len(expected) == 7
    heard = {data: time for time, data in audio_packets(source)}
    copied = audio_packets(tmp_path / 'out.mp4')
    assert len(copied) >= 10 and all(heard[data] - 0.08 == pytest.approx(time, abs=1e-3) for time, data in copied)


@pytest.mark.parametrize(
    'arguments, complaint',
    [
        (['--start', '9'], 'has no frame that can be decoded from 9 s'),
        (['--start', '0.2', '--end', '0.1'], 'end must be later than start, 0.2 s, but is 0.1 s'),
        (['--codec', 'vp9', '-o', 'out.mov'], '.mov does not hold VP9'),
        (['-o', 'out.gif'], 'cannot write .gif'),
        (['--json', '-o', '-'], '--json and -o - would both write to standard output'),
        (['-o', 'frames', '--codec', 'h264'], '--codec is for a video file, frames is a folder of images'),
        (['-o', 'frames', '--crf', '0'], '--crf is for a video file, frames is a folder of images'),
        (['-o', 'frames.mp4/', '--lossless'], '--lossless is for a video file, frames.mp4/ is a folder of images'),
        (['-o', '-', '--crf', '20'], '--crf is for a video file, standard output is raw video'),
        (['-o', '-', '--lossless'], '--lossless is for a video file, standard output is raw video'),
        (['--background-weights', 'esrgan.pth'], 'background-weights are for background realesrgan, not for plain'),
        (['-o', '/'], '/ is a mount point, which cannot be replaced: name a folder in it'),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(restore, source, tmp_path, monkeypatch, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    error = restore(source, *([] if '-o' in arguments else ['-o', 'out.mp4']), *arguments, status=2).err
    told = [line for line in error.splitlines() if line.startswith('basicsr: ')]
    assert len(told) == 1 and complaint in told[0] and list(tmp_path.iterdir()) == []


def test_a_folder_of_videos(restore, source, tmp_path):
    """One that fails does not stop the others; a second run restores what is missing."""
    videos, target = tmp_path / 'videos', tmp_path / 'restored'
    (videos / 'more').mkdir(parents=True)
    (videos / 'a.mp4').write_bytes(source.read_bytes())
    (videos / 'b.mp4').write_text('no video')
    (videos / 'more' / 'c.AVI').write_bytes(write_video(tmp_path / 'c.avi', moving_frames(3, 32, 32), 25).read_bytes())
    (videos / 'more' / 'a.mp4').write_bytes(source.read_bytes())
    (videos / 'notes.txt').write_text('no video either')
    litter(videos)
    said = restore(videos, '-o', target, status=2)
    assert 'basicsr: 1 of 4 videos failed: ' in said.err and 'Traceback' not in said.err
    table = said.out.splitlines()
    assert table[0].split() == ['video', 'frames', 'seconds', 'result'] and len(table) == 5
    assert 'b.mp4' in table[2] and 'failed: ' in table[2] and 'is not a video' in table[2]
    written = sorted(str(path.relative_to(target)) for path in target.rglob('*') if path.is_file())
    assert written == ['a.mp4', 'more/a.mp4', 'more/c.AVI']
    assert len(decoded(target / 'more' / 'c.AVI')) == 3

    before = (target / 'a.mp4').stat().st_mtime_ns
    (videos / 'b.mp4').write_bytes(source.read_bytes())
    said = restore(videos, '-o', target, '--resume')
    assert said.out.count('which was there already') == 3
    assert (target / 'a.mp4').stat().st_mtime_ns == before and len(decoded(target / 'b.mp4')) == 12


def test_outputs_are_no_inputs(restore, source, tmp_path):
    (tmp_path / 'a.mp4').write_bytes(source.read_bytes())
    for _ in range(2):
        said = restore(tmp_path, '-o', tmp_path / 'restored', '--end', '0.1')
        assert len(said.out.splitlines()) == 2
    assert 'is the input itself' in restore(tmp_path, '-o', tmp_path, status=2).err
    assert '-o - takes one video' in restore(tmp_path, '-o', '-', status=2).err
    (tmp_path / 'empty').mkdir()
    assert 'empty holds no video' in restore(tmp_path / 'empty', '-o', tmp_path / 'restored', status=2).err


def test_json_lines(restore, source, tmp_path):
    events = [json.loads(line) for line in restore(source, '-o', tmp_path / 'out.mkv', '--json').out.splitlines()]
    assert [event['event'] for event in events if event['event'] not in ('progress', 'warning')] == ['start', 'end']
    assert events[0]['input'] == str(source) and events[0]['output'] == str(tmp_path / 'out.mkv')
    assert (events[0]['frames'], events[0]['resumed']) == (12, 0)
    assert (
        events[-1]['frames'] == 12 and events[-1]['error'] is None and any('aac' in kept for kept in events[-1]['kept'])
    )
    (tmp_path / 'text.mp4').write_text('no video')
    said = restore(tmp_path / 'text.mp4', '-o', tmp_path / 'o.mkv', '--json', status=2)
    (event,) = map(json.loads, said.out.splitlines())
    assert event['event'] == 'end' and 'is not a video' in event['error'] and event['error'] in said.err


def test_folders_of_images(restore, source, tmp_path):
    """In and out; what macOS and Jupyter left is no frame, and an earlier folder is not touched."""
    restore(source, '-o', tmp_path / 'frames')
    names = [f'{number:08d}.png' for number in range(12)]
    assert sorted(path.name for path in (tmp_path / 'frames').iterdir()) == names
    litter(tmp_path / 'frames')
    restore(tmp_path / 'frames', '-o', tmp_path / 'out.mkv', '--rate', '30000/1001', '--start', '0.1')
    assert frame_times(tmp_path / 'out.mkv') == pytest.approx(
        [0.1001 - 0.1 + n * 0.0333667 for n in range(9)], abs=2e-3
    )
    restore(tmp_path / 'frames', '-o', tmp_path / 'decimal.mkv', '--rate', '29.97002997002997')
    with av.open(str(tmp_path / 'decimal.mkv')) as container:
        assert container.streams.video[0].average_rate == Fraction(30000, 1001)
    assert (
        'rate must be a positive number such as 25'
        in restore(tmp_path / 'frames', '-o', tmp_path / 'fast.mkv', '--rate', '1e10', status=2).err
    )
    assert 'frames is not an empty folder' in restore(source, '-o', tmp_path / 'frames', status=2).err


@pytest.mark.parametrize('place', ['input', 'output', 'weights'])
def test_a_name_that_no_disk_takes_is_told_in_a_line(source, weights, tmp_path, capsys, place):
    paths = {'input': source, 'output': tmp_path / 'out.mp4', 'weights': weights, place: 'n' * 300}
    command = ['restore', paths['input'], '-o', paths['output'], '--weights', paths['weights'], '--size', '16', *CROP]
    assert run_command([str(argument) for argument in command]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and 'name too long' in error


def test_weights_of_a_user_who_is_not_there(source, tmp_path, capsys):
    assert run_command(['restore', str(source), '-o', str(tmp_path / 'o.mp4'), '--weights', '~nobody-here/x.pth']) == 2
    assert '~nobody-here/x.pth' in capsys.readouterr().err


@pytest.mark.parametrize('is_there', [True, False])
def test_images_are_put_where_a_link_leads(restore, source, tmp_path, is_there):
    """Restored ones lie beside that folder meanwhile, which may be on another disk."""
    (tmp_path / 'links').mkdir()
    link, folder = tmp_path / 'links' / 'frames', tmp_path / 'disk' / 'frames'
    if is_there:
        folder.mkdir(parents=True)
    link.symlink_to(folder)
    error = restore(source, '-o', link).err
    assert link.is_symlink() and len(list(folder.glob('*.png'))) == 12 and f'{link}: 12 frames' in error
    assert [path.name for path in (tmp_path / 'links').iterdir()] == ['frames']
    assert [path.name for path in (tmp_path / 'disk').iterdir()] == ['frames']
    (line,) = [line for line in restore(source, '-o', link, status=2).err.splitlines() if 'basicsr: ' in line]
    assert line.endswith(f'{link} is not an empty folder: name a new one')


@pytest.mark.skipif(shutil.which('unshare') is None, reason='mounts in a namespace of its own')
def test_a_mount_point_is_refused_before_the_first_frame(source, weights, tmp_path):
    """An empty one as well, which only renaming the images to it would show."""
    (tmp_path / 'disk').mkdir()
    command = f'{sys.executable} -m pgtf_basicsr restore {source} -o disk --weights {weights} --size 16 --faces crop'
    mounted = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c']
    if subprocess.run([*mounted, 'mount -t tmpfs disk disk'], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip('nothing can be mounted here')
    done = subprocess.run(
        [*mounted, f'mount -t tmpfs disk disk && {command}'],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stderr.endswith(
        'basicsr: disk is a mount point, which cannot be replaced: name a folder in it\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ['disk'] and '0/12' not in done.stderr


def test_json_lines_of_a_folder_name_the_input(restore, source, tmp_path):
    """Also those before its first frame, and of what is skipped."""
    videos, restored = tmp_path / 'videos', tmp_path / 'restored'
    videos.mkdir()
    shutil.copy(source, videos / 'a.mp4')
    write_subtitled(videos / 'b.mp4', moving_frames(2, 48, 32))
    arguments = videos, '-o', restored, '--json', '--codec', 'ffv1'
    events = [json.loads(line) for line in restore(*arguments).out.splitlines()]
    (warning,) = [event for event in events if event['event'] == 'warning']
    assert warning['input'] == str(videos / 'b.mp4') and 'become plain text in .mkv' in warning['message']
    assert [event['changed'] for event in events if event['event'] == 'end'] == [[], [warning['message']]]
    skipped = [json.loads(line) for line in restore(*arguments, '--resume').out.splitlines()]
    assert [event.get('skipped') for event in skipped] == [True, True, None]


def write_subtitled(path, frames):
    with av.open(str(path), 'w') as container:
        video, text = container.add_stream('libx264', rate=25), container.add_mux_stream('mov_text')
        video.height, video.width = frames[0].shape[:2]
        text.time_base = Fraction(1, 1000)
        packets = [packet for image in frames for packet in video.encode(av.VideoFrame.from_ndarray(image, 'rgb24'))]
        subtitle = av.Packet(b'\0\5Hello')
        subtitle.stream, subtitle.time_base = text, text.time_base
        subtitle.pts, subtitle.dts, subtitle.duration = 0, 0, 40
        for packet in (*packets, *video.encode(), subtitle):
            container.mux(packet)


def test_from_one_program_to_another(source, weights, tmp_path):
    """Standard output is the video alone, standard input need not be seekable."""
    arguments = ['--weights', str(weights), '--size', '16', *CROP]

    said = ''

    def pipe(*ends, given=None):
        nonlocal said
        command = [sys.executable, '-m', 'pgtf_basicsr', 'restore', *map(str, ends), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), input=given, capture_output=True, check=True)
        said = done.stderr.decode()
        return done.stdout

    piped = pipe(source, '-o', '-')
    assert piped.startswith(b'YUV4MPEG2 W48 H32 F25:1 ')
    (tmp_path / 'piped.y4m').write_bytes(piped)
    assert len(decoded(tmp_path / 'piped.y4m')) == 12
    assert pipe('-', '-o', tmp_path / 'out.mkv', given=piped) == b''
    assert frame_times(tmp_path / 'out.mkv') == pytest.approx([number / 25 for number in range(12)], abs=1e-3)
    assert 'dropped' not in said
    pipe('-', '-o', tmp_path / 'silent.mkv', given=source.read_bytes())
    assert 'dropped: of what comes through a pipe the frames alone are kept' in said


@pytest.mark.parametrize(
    'redirected, message',
    [
        ('- -o out.mkv </dev/null', 'basicsr: standard input is neither a file nor a pipe\n'),
        ('- -o out.mkv <&-', 'basicsr: standard input is neither a file nor a pipe\n'),
        ('in.mp4 -o - >&-', 'basicsr: cannot write standard output: it is closed\n'),
    ],
)
def test_pipes_that_are_none(source, weights, tmp_path, redirected, message):
    shutil.copy(source, tmp_path / 'in.mp4')
    command = f'{sys.executable} -m pgtf_basicsr restore --weights {weights} --size 16 --faces crop {redirected}'
    done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.endswith(message) and 'Traceback' not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['in.mp4']


def test_a_summary_names_what_is_kept_and_dropped(restore, source, tmp_path):
    said = restore(source, '-o', tmp_path / 'out.mp4', '--end', '0.1').err
    assert f'{tmp_path}/out.mp4: 3 frames\n    kept: audio' in said
    with av.open(str(tmp_path / 'out.mp4')) as container:
        assert [stream.type for stream in container.streams] == ['video', 'audio']
