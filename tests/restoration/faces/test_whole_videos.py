"""``basicsr restore`` of whole videos with faces, found by the real detector in scenes with known truth."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.analysis_file import read_analysis, write_analysis
from pgtf_basicsr.images import read_image, write_image
from pgtf_basicsr.restoration.faces import analysis as face_analysis
from pgtf_basicsr.restoration.faces import restoration as face_restoration
from pgtf_basicsr.restoration.io.outputs import VideoOutput
from pgtf_basicsr.restoration.reports import ANALYSIS, RESTORATION, TextReport
from pgtf_basicsr.restoration.whole_video import Restorer
from pgtf_basicsr.samples.scenes import Actor, Scene, scenes
from pgtf_basicsr.video import VideoReader
from pgtf_command import run_command

from ...helpers.processes import Run
from ...helpers.small_networks import PGTFormer, build, write
from ...helpers.super_resolution import rrdbnet, saved
from ...helpers.videos import audio_packets, frame_times, psnr, write_video

LENGTH, SEGMENT = 6, 2
# Labels of face parsing.
SKIN, HAIR = 1, 17
CROSSING, CUT = scenes()[0], scenes()[2]


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write(tmp_path_factory.mktemp('weights') / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())


@pytest.fixture(scope='module')
def restorer(weights):
    return Restorer.from_checkpoint(weights, codec='ffv1')


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Two faces that move, with sound."""
    frames = [CROSSING.frame(number) for number in range(LENGTH)]
    return write_video(tmp_path_factory.mktemp('source') / 'in.mp4', frames, 25, audio='aac')


@pytest.fixture(scope='module')
def deep_source(tmp_path_factory):
    """The same with 10 bits, some of which 8 bits would not hold."""
    path, noise = tmp_path_factory.mktemp('deep') / 'in.mkv', np.random.default_rng(0)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('ffv1', rate=25)
        stream.width, stream.height, stream.pix_fmt = CROSSING.width, CROSSING.height, 'yuv422p10le'
        for number in range(LENGTH):
            image = 257 * CROSSING.frame(number).astype(int) + noise.integers(-128, 128, (180, 320, 3))
            frame = av.VideoFrame.from_ndarray(image.clip(0, 65535).astype(np.uint16), 'rgb48le')
            container.mux(stream.encode(frame.reformat(format='yuv422p10le')))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope='module')
def analysis(restorer, source, tmp_path_factory):
    """The file of the faces of `source`."""
    path = tmp_path_factory.mktemp('analysis') / 'faces.json'
    restorer.with_settings(analysis=path).analyse(source)
    return path


class Shifting:
    """A network that adds to every crop."""

    num_frames = 3

    def __init__(self, shift):
        self.shift = shift

    def frame_features(self, frame):
        return frame

    def restore(self, features, output_frames):
        windows = torch.stack([torch.cat(features[n : n + 3]) for n in range(0, len(features), 3)])
        return windows[:, output_frames] + self.shift


@pytest.fixture
def shift(monkeypatch):
    """Put a network in the place of PGTFormer that adds so much."""
    return lambda value: monkeypatch.setattr(face_restoration, 'stream', lambda net, **options: Shifting(value))


def planes(path):
    with av.open(str(path)) as container:
        return [
            [
                np.frombuffer(p, np.uint16 if '10' in frame.format.name else np.uint8).reshape(p.height, -1)[
                    :, : p.width
                ]
                for p in frame.planes
            ]
            for frame in container.decode(video=0)
        ]


def images(path):
    with VideoReader(path) as reader:
        return list(reader.images())


def beside_faces(number, factor=1.15):
    """Where no crop reaches in a frame of `CROSSING`: squares around its faces, larger than they are."""
    outside = np.ones((CROSSING.height, CROSSING.width), bool)
    for square, _ in CROSSING.truth(number).values():
        half = factor * square.size / 2
        top, left = (max(round(centre - half), 0) for centre in (square.y, square.x))
        outside[top : round(square.y + half) + 1, left : round(square.x + half) + 1] = False
    return outside


def changes(before, after):
    """Share of pixels at the two faces of `CROSSING` that changed, summed over frames, the left face first."""
    return [
        sum(
            np.abs(np.int16(one) - other)
            .max(axis=2)[round(s.y - 20) : round(s.y + 20), round(s.x - 12) : round(s.x + 12)]
            .mean()
            for number, (one, other) in enumerate(zip(before, after))
            for s in [CROSSING.truth(number)[name][0]]
        )
        for name in ('collins', 'hopper')
    ]


@pytest.mark.parametrize('depth', [8, 10])
def test_an_identity_network_changes_no_sample(restorer, source, deep_source, shift, tmp_path, depth):
    """Of moving faces, at the decoder's own depth and subsampling; and any other network changes faces alone."""
    video = source if depth == 8 else deep_source
    shift(0)
    restorer.restore_video(video, tmp_path / 'same.mkv')
    shift(0.1)
    shifted = restorer.with_settings(match_colour=False, analysis=tmp_path / 'same.mkv.faces.json')
    shifted.restore_video(video, tmp_path / 'shifted.mkv')
    before, same, brighter = planes(video), planes(tmp_path / 'same.mkv'), planes(tmp_path / 'shifted.mkv')
    assert len(before) == len(same) == len(brighter) == LENGTH
    for number in range(LENGTH):
        assert all(map(np.array_equal, before[number], same[number]))
        for plane, other in zip(before[number], brighter[number]):
            outside = cv2.resize(np.uint8(beside_faces(number)), plane.shape[::-1], interpolation=cv2.INTER_NEAREST)
            assert np.array_equal(plane[outside == 1], other[outside == 1])
        assert (before[number][0] != brighter[number][0]).mean() > 0.02
        for square, _ in CROSSING.truth(number).values():
            y, x = round(square.y), round(square.x)
            step = np.int32(brighter[number][0][y, x]) - before[number][0][y, x]
            assert step == pytest.approx(0.1 * 219 * 2 ** (depth - 8), abs=2 * 2 ** (depth - 8))
    assert frame_times(tmp_path / 'same.mkv') == pytest.approx(frame_times(video), abs=1e-3)


def with_pipes():
    """Let a process read and write pipes."""
    os.dup2(os.open('in', os.O_RDONLY), 0)
    os.dup2(os.open('out', os.O_WRONLY), 1)


def test_the_command_through_pipes(restorer, source, weights, tmp_path):
    """In a process of its own: two passes over what can be read once, and the same frames as from file to file."""
    for name in ('in', 'out'):
        os.mkfifo(tmp_path / name)
    command = Run(tmp_path, 'restore', '-', '-o', '-', '--weights', weights, before=with_pipes)
    with ThreadPoolExecutor() as threads:
        threads.submit((tmp_path / 'in').write_bytes, source.read_bytes())
        piped = threads.submit((tmp_path / 'out').read_bytes).result()
    assert command.statuses() == [0], command.output()
    said = command.output()
    assert 'is kept in ' in said and 'to be read twice' in said
    assert 'Faces of -: ' in said and '2 in view' in said and f'{LENGTH}/{LENGTH}' in said
    assert '-: 6 frames\n    faces: 2 faces in 6 of 6 frames restored\n' in said
    (tmp_path / 'piped.y4m').write_bytes(piped)
    restorer.restore_video(source, tmp_path / 'out.mkv')
    for piped, own in zip(planes(tmp_path / 'piped.y4m'), planes(tmp_path / 'out.mkv'), strict=True):
        assert all(map(np.array_equal, piped, own))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *('in', 'out', 'out.mkv', 'out.mkv.faces.json', 'piped.y4m')
    ]


class Heard(TextReport):
    """Keeps what is said."""

    def __init__(self):
        super().__init__()
        self.said = ''

    def warn(self, outcome, message):
        self.said += f'{message}\n'


class Killed(BaseException):
    """Stands for whatever ends a process."""


def end(*arguments):
    raise Killed


class EndsIn(TextReport):
    """Ends a pass after so many frames."""

    def __init__(self, step, frames):
        super().__init__()
        self.end_at = (step, frames)

    def advance(self, outcome, progress):
        super().advance(outcome, progress)
        if (progress.step, progress.frames) == self.end_at:
            end()


@pytest.mark.parametrize('options', [dict(), dict(stride=3, batch_size=2)], ids=['plain', 'strided batches'])
def test_killed_in_either_pass_and_resumed(restorer, source, tmp_path, monkeypatch, options):
    monkeypatch.setattr(VideoOutput, 'segment_frames', SEGMENT)
    restorer, target = restorer.with_settings(**options), tmp_path / 'out.mkv'
    restorer.restore_video(source, tmp_path / 'whole.mkv')
    with pytest.raises(Killed):
        restorer.restore_video(source, target, report=EndsIn(ANALYSIS, 4))
    assert not list(tmp_path.glob('*out.mkv*'))
    for frames in (3, 5):
        with pytest.raises(Killed):
            restorer.restore_video(source, target, resume=True, report=EndsIn(RESTORATION, frames))
        assert (tmp_path / 'out.mkv.faces.json').exists() and not target.exists()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(VideoOutput, 'join', end)
        restorer.restore_video(source, target, resume=True)
    outcome = restorer.restore_video(source, target, resume=True)
    assert outcome.resumed == outcome.frames == LENGTH and outcome.faces == ['2 faces in 6 of 6 frames restored']
    for resumed, whole in zip(planes(target), planes(tmp_path / 'whole.mkv'), strict=True):
        assert all(map(np.array_equal, resumed, whole))
    assert audio_packets(target) == audio_packets(tmp_path / 'whole.mkv')
    assert not list(tmp_path.glob('.*'))


def test_other_faces_cannot_be_resumed(restorer, source, tmp_path, monkeypatch):
    monkeypatch.setattr(VideoOutput, 'segment_frames', SEGMENT)
    with pytest.raises(Killed):
        restorer.restore_video(source, tmp_path / 'out.mkv', report=EndsIn(RESTORATION, 5))
    for faces in ('1', 'crop'):
        with pytest.raises(UserError, match='out.mkv cannot be resumed: faces was .* and is now '):
            restorer.with_settings(faces=faces).restore_video(source, tmp_path / 'out.mkv', resume=True)


def test_an_analysis_is_used_again_and_can_be_edited(restorer, source, analysis, tmp_path, monkeypatch, caplog):
    def fail(*arguments):
        raise AssertionError('faces are looked for')

    contents = read_analysis(analysis)
    left = min(contents.tracks, key=lambda track: track.detections[0].x)
    write_analysis(tmp_path / 'out.mkv.faces.json', replace(contents, tracks=[left]))
    monkeypatch.setattr(face_analysis, 'build_finder', fail)
    outcome = restorer.restore_video(source, tmp_path / 'out.mkv')
    assert outcome.faces == ['1 face in 6 of 6 frames restored']
    of_left, of_right = changes(images(source), images(tmp_path / 'out.mkv'))
    assert of_left > 10 * of_right

    with pytest.raises(AssertionError, match='faces are looked for'):  # another part: made anew
        restorer.with_settings(end=Fraction(1, 10)).restore_video(source, tmp_path / 'out.mkv')
    with pytest.raises(AssertionError, match='faces are looked for'):  # another search
        restorer.with_settings(detect_every=2).restore_video(source, tmp_path / 'out.mkv')
    with pytest.raises(
        UserError, match=r'faces.json is of .*in.mp4: 320x180, \d+ bytes, not of .*, to 1/10 s; remove the file'
    ):
        restorer.with_settings(end=Fraction(1, 10), analysis=analysis).restore_video(source, tmp_path / 'out.mkv')
    (tmp_path / 'out.mkv.faces.json').write_text('{')
    with pytest.raises(UserError, match='is not JSON'):
        restorer.restore_video(source, tmp_path / 'out.mkv')


def test_the_faces_of_another_input_are_not_used(restorer, source, tmp_path):
    """Of the same size and number of frames. A copy has other times, which do not count."""
    inputs = {}
    for name, turn in (('one', 1), ('other', -1)):
        inputs[name] = tmp_path / name
        inputs[name].mkdir()
        for number, image in enumerate(images(source)):
            write_image(inputs[name] / f'{number}.png', image[:, ::turn])
    inputs['one.mkv'] = write_video(tmp_path / 'one.mkv', images(source), 25)
    changed = bytearray(inputs['one.mkv'].read_bytes())
    changed[-1] ^= 1
    inputs['other.mkv'] = tmp_path / 'other.mkv'
    inputs['other.mkv'].write_bytes(changed)
    for suffix in ('', '.mkv'):
        one, other = inputs[f'one{suffix}'], inputs[f'other{suffix}']
        again = restorer.with_settings(analysis=(analysis := tmp_path / f'faces{suffix}.json'))
        again.analyse(one)
        copy = tmp_path / f'copy{suffix}'
        (shutil.copytree if one.is_dir() else shutil.copyfile)(one, copy)
        for path in (copy, *copy.glob('*')):
            os.utime(path, (0, 0))
        again.analyse(copy, report := Heard())
        assert 'were found before' in report.said
        with pytest.raises(UserError, match=r'is of .*, contents \w{8}, not of .*, contents \w{8}; remove') as refusal:
            again.analyse(other)
        assert '\n' not in str(refusal.value)
        write_analysis(tmp_path / 'out.mkv.faces.json', read_analysis(analysis))
        restorer.restore_video(other, tmp_path / 'out.mkv', report=(report := Heard()))
        assert 'the video anew: it is made anew' in report.said and 'were found before' not in report.said
        earlier = read_analysis(analysis)
        write_analysis(analysis, replace(earlier, video=replace(earlier.video, digest=None)))
        again.analyse(other, report := Heard())
        assert 'were found before' in report.said


def test_a_video_that_ends_before_its_analysis(restorer, source, analysis, tmp_path):
    contents = read_analysis(analysis)
    write_analysis(tmp_path / 'faces.json', replace(contents, video=replace(contents.video, frames=9)))
    with pytest.raises(UserError, match='the video ends after 6 frames, but its faces were found in 9'):
        restorer.with_settings(analysis=tmp_path / 'faces.json').restore_video(source, tmp_path / 'out.mkv')
    assert [path.name for path in tmp_path.iterdir()] == ['faces.json']


@pytest.mark.parametrize(
    'arguments, complaint',
    [
        (
            ['--faces', 'biggest'],
            'faces must be auto, crop, all, largest, or numbers of faces such as 1,3, not biggest',
        ),
        (['--faces', '1,7', '--analysis', 'faces.json'], 'has no face 7; its faces are 1, 2'),
        (['--strength', '2'], 'strength must be between 0 and 1, not 2.0'),
        (['--background', 'realesrgan'], 'background realesrgan needs background-weights'),
        (['--background', 'realesrgan', '--background-weights', 'none.pth'], 'none.pth'),
        (['--mask', 'parsing'], 'mask cannot be parsing: the weights have no face parsing'),
        (['--detector-weights', 'none.pth'], '--detector-weights: there is no file none.pth'),
        (
            ['--detector', 'centerface', '--detector-weights', 'none.pth'],
            '--detector-weights are for --detector retinaface',
        ),
        (['--preview', '2', '-o', '-'], 'a preview needs a file to write'),
        (['--preview', '0'], 'preview must be positive, not 0'),
        (['-o', 'out.gif'], 'cannot write .gif'),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    source, weights, analysis, tmp_path, monkeypatch, capsys, arguments, complaint
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'faces.json').write_bytes(analysis.read_bytes())
    output = [] if '-o' in arguments else ['-o', 'out.mkv']
    assert run_command(['restore', str(source), '--weights', str(weights), *output, *arguments]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith('basicsr: ')]
    assert len(told) == 1 and complaint in told[0]
    assert [path.name for path in tmp_path.iterdir()] == ['faces.json']


def test_weights_are_needed_to_restore(source, tmp_path, capsys):
    assert run_command(['restore', str(source), '-o', str(tmp_path / 'out.mkv')]) == 2
    assert '--weights is missing' in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_faces_are_listed(source, tmp_path, monkeypatch, capsys):
    """Without weights: as a table, as an analysis, and on a sheet."""
    monkeypatch.chdir(tmp_path)
    assert run_command(['restore', str(source), '-o', 'out.mov', '--list-faces']) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ['face', 'from', 'to', 'frames', 'pixels'] and [row[0] for row in table[1:]] == ['1', '2']
    assert all(row[1:4] == ['0:00.0', '0:00.2', '6'] and 40 < int(row[4]) < 55 for row in table[1:])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['out.mov.faces.json', 'out.mov.faces.png']
    assert read_image('out.mov.faces.png').shape == (208, 344, 3)

    assert run_command(['restore', str(source), '-o', 'out.mov', '--list-faces', '--json']) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (listed,) = [event for event in events if event['event'] == 'faces']
    assert [face['number'] for face in listed['faces']] == [1, 2] and listed['input'] == str(source)

    nobody = write_video(tmp_path / 'nobody.mp4', [scenes()[-1].frame(0)] * 2, 25)
    assert run_command(['restore', str(nobody), '-o', 'none.mov', '--list-faces']) == 0
    assert (
        capsys.readouterr().out == f'no face was found in {nobody}\n' and not (tmp_path / 'none.mov.faces.png').exists()
    )


def test_json_lines(source, weights, tmp_path, capsys):
    arguments = ['-o', str(tmp_path / 'out.mkv'), '--weights', str(weights), '--json', '--min-face', '45']
    assert run_command(['restore', str(source), *arguments]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event['pass'], event['frames']) for event in events if event['event'] == 'start'] == [
        ('analysis', 6),
        ('restoration', 6),
    ]
    progress = [event for event in events if event['event'] == 'progress']
    assert progress and all(event['faces'] in (0, 1, 2) and event['pass'] for event in progress)
    assert events[-1]['event'] == 'end' and events[-1]['error'] is None
    assert events[-1]['faces'] == ['1 face in 6 of 6 frames restored', '1 left alone (smaller than 45 pixels)']


def test_folders_of_videos_and_of_images(source, weights, tmp_path, capsys):
    """Faces are kept beside each output; images come out as those of a video do."""
    videos, frames = tmp_path / 'videos', tmp_path / 'frames'
    videos.mkdir()
    frames.mkdir()
    for number, image in enumerate(images(source)):
        write_image(frames / f'{number:02d}.png', image)
    (videos / 'a.mp4').write_bytes(source.read_bytes())
    write_video(videos / 'nobody.mp4', [scenes()[-1].frame(0)] * 2, 25)
    common = ['--weights', str(weights)]
    assert run_command(['restore', str(videos), '-o', str(tmp_path / 'out'), '--codec', 'ffv1', *common]) == 0
    assert '    faces: none was found\n' in capsys.readouterr().err
    names = ['a.mkv', 'a.mkv.faces.json', 'nobody.mkv', 'nobody.mkv.faces.json']
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names
    assert all(map(np.array_equal, planes(videos / 'nobody.mp4')[1], planes(tmp_path / 'out' / 'nobody.mkv')[1]))
    assert run_command(['restore', str(frames), '-o', str(tmp_path / 'restored'), *common]) == 0
    assert 'restored.faces.json' in [path.name for path in tmp_path.iterdir()]
    for number, image in enumerate(images(source)):
        restored = read_image(tmp_path / 'restored' / f'{number:08d}.png')
        outside = beside_faces(number)
        assert np.array_equal(restored[outside], image[outside]) and not np.array_equal(restored, image)
    assert min(changes(images(source), images(tmp_path / 'out' / 'a.mkv'))) > 1


def portrait(width, height, size):
    """A video's frame of one face."""
    place = replace(CROSSING.truth(0)['collins'][0], x=width / 2, y=height / 2, size=size)
    return Scene('one', 1, [Actor('collins', 0, lambda number: place)], width=width, height=height).frame(0)


@pytest.mark.parametrize(
    'frame, mode',
    [
        (portrait(160, 160, 150), 'crop'),
        (portrait(160, 200, 110), 'crop'),
        (portrait(160, 160, 80), 'all'),
        (portrait(320, 180, 150), 'all'),
        (np.full((64, 64, 3), 90, np.uint8), 'crop'),
        (np.full((64, 96, 3), 90, np.uint8), 'none'),
        (CROSSING.frame(0), 'all'),
    ],
    ids=['a cropped portrait', 'upright', 'a small face', 'wide', 'a faceless square', 'faceless', 'two faces'],
)
def test_what_is_one_face_is_restored_as_a_whole(restorer, tmp_path, frame, mode):
    source, report = write_video(tmp_path / 'in.mkv', [frame] * 3, 25), Heard()
    outcome = restorer.restore_video(source, tmp_path / 'out.mkv', report=report)
    assert ('is a video of one face: its frames are restored as a whole' in report.said) == (mode == 'crop')
    assert ('no face was found' in report.said) == (mode == 'none')
    assert bool(outcome.faces) == (mode != 'crop')
    restored, corner = images(tmp_path / 'out.mkv')[1], (slice(8), slice(8))
    assert (np.abs(np.int16(restored) - images(source)[1])[corner].max() > 3) == (mode == 'crop')


def test_small_and_sharp_faces_are_left_alone(restorer, source, analysis, tmp_path):
    restorer = restorer.with_settings(analysis=analysis)
    kept = restorer.with_settings(min_face=100).restore_video(source, tmp_path / 'small.mkv')
    assert kept.faces == ['2 left alone (smaller than 100 pixels)']
    for before, after in zip(planes(source), planes(tmp_path / 'small.mkv')):
        assert all(map(np.array_equal, before, after))
    sharp = restorer.with_settings(min_blur=1.0).restore_video(source, tmp_path / 'sharp.mkv')
    assert sharp.faces == ['2 left alone (blur below 1: sharp already)']
    both = restorer.with_settings(min_blur=0.1).restore_video(source, tmp_path / 'both.mkv')
    assert both.faces == ['2 faces in 6 of 6 frames restored']


def test_a_preview_begins_where_faces_are(restorer, tmp_path):
    """With an image of its largest face before and after; of frames as a whole as well."""
    frames = [CUT.frame(number) for number in (20, 21, 22, 23, 24, 25, 30, 31, 32, 33, 34, 35)]
    source = write_video(tmp_path / 'in.mkv', frames, 25)
    restorer = restorer.with_settings(preview=Fraction(1, 10))
    outcome = restorer.restore_video(source, tmp_path / 'out.mkv', report=(report := Heard()))
    assert 'the preview begins at 0.24 s, where the first face' in report.said
    assert outcome.frames == 3 and outcome.faces == ['1 face in 3 of 3 frames restored']
    before, after = np.hsplit(read_image(tmp_path / 'out.mkv.preview.png'), 2)
    likeness = [psnr(before, image) for image in images(source)]
    assert np.argmax(likeness) in (6, 7, 8) and max(likeness) > 60
    assert psnr(after, images(tmp_path / 'out.mkv')[np.argmax(likeness) - 6]) > 60 and psnr(before, after) < 40

    whole = restorer.with_settings(faces='crop', start=Fraction(2, 25)).restore_video(source, tmp_path / 'crop.mkv')
    assert whole.frames == 3 and read_image(tmp_path / 'crop.mkv.preview.png').shape == (180, 640, 3)


@pytest.mark.parametrize('faces', ['all', 'crop'])
def test_before_and_after_side_by_side_and_enlarged(restorer, source, analysis, tmp_path, faces):
    restorer = restorer.with_settings(faces=faces, side_by_side=True, analysis=analysis)
    restorer.restore_video(source, tmp_path / 'out.mkv')
    for before, both in zip(planes(source), planes(tmp_path / 'out.mkv'), strict=True):
        assert both[0].shape == (180, 640)
        assert all(np.array_equal(plane, beside[:, : plane.shape[1]]) for plane, beside in zip(before, both))
        assert not np.array_equal(before[0], both[0][:, 320:])
    enlarged = restorer.with_settings(side_by_side=False, scale=2)
    enlarged.restore_video(source, tmp_path / 'large.mkv')
    assert {image.shape for image in images(tmp_path / 'large.mkv')} == {(360, 640, 3)}
    if faces == 'all':
        small = [
            cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA) for image in images(tmp_path / 'large.mkv')
        ]
        outside = beside_faces(0)
        assert psnr(small[0][outside], images(source)[0][outside]) > 35 and min(changes(images(source), small)) > 5


def parsing_weights(path, label):
    """Weights whose face parsing has learnt to call everything so."""
    net = build(PGTFormer)
    with torch.no_grad():
        for name, value in net.parsing_net.named_buffers():
            if name.endswith('running_mean'):
                value.fill_(-0.1)  # so that features are not zero
        net.parsing_net.conv_out.conv_out.weight.zero_()
        net.parsing_net.conv_out.conv_out.weight[label] = 1000
    return write(path, PGTFormer, params=net.state_dict())


def test_parsed_faces_in_a_background_that_was_restored(source, tmp_path):
    """By the command: what is parsed as skin is pasted, what is parsed as hair is not; the rest is Real-ESRGAN's."""
    short, faces = write_video(tmp_path / 'short.mp4', images(source)[:2], 25), tmp_path / 'faces.json'
    background = saved(rrdbnet(scale=2), tmp_path / 'rrdbnet.pth')
    skin, hair = (parsing_weights(tmp_path / f'{label}.pth', label) for label in (SKIN, HAIR))

    def restore(name, weights, *arguments):
        options = ('--mask', 'parsing', '--scale', '2', '--codec', 'ffv1', '--analysis', str(faces), *arguments)
        files = ('-o', str(tmp_path / name), '--weights', str(weights))
        assert run_command(['restore', str(short), *files, *options]) == 0
        return images(tmp_path / name)

    esrgan = ('--background', 'realesrgan', '--background-weights', str(background))
    restored, hidden, nobody = (
        restore(f'{number}.mkv', *arguments)
        for number, arguments in enumerate(((skin, *esrgan), (hair, *esrgan), (hair, *esrgan, '--min-face', '500')))
    )
    assert all(map(np.array_equal, hidden, nobody))
    assert restored[0].shape == (360, 640, 3) and psnr(cv2.resize(images(short)[0], (640, 360)), nobody[0]) < 30
    for number, (after, before) in enumerate(zip(restored, nobody)):
        outside = beside_faces(number).repeat(2, axis=0).repeat(2, axis=1)
        assert np.array_equal(after[outside], before[outside]) and not np.array_equal(after, before)


def test_frames_in_memory(restorer, source):
    """What can be gone through once only is restored as what can be gone through twice."""
    frames = images(source)
    restored = list(restorer.restore(frames))
    assert len(restored) == LENGTH
    for number, (before, after) in enumerate(zip(frames, restored)):
        outside = beside_faces(number)
        assert after.dtype == np.uint8 and np.array_equal(before[outside], after[outside])
    assert min(changes(frames, restored)) > 5
    assert all(map(np.array_equal, restored, restorer.restore(iter(frames))))

    taken = []
    whole = restorer.with_settings(faces='crop')
    stream = whole.restore(taken.append(number) or frame for number, frame in enumerate(frames * 10))
    first = next(stream)
    assert first.shape == (180, 320, 3) and len(taken) < 20
    stream.close()
    assert np.array_equal(first, next(whole.restore(frames)))
    with pytest.raises(ValueError, match='frame 1 is float64'):
        list(restorer.restore([frames[0], frames[0] / 255]))
    for options in (dict(), dict(faces='crop')):
        again = restorer.with_settings(**options)
        for wrong, words in (
            (frames[0] / 255, r'frame 1 is float64 \(180, 320, 3\), not uint8 \(180, 320, 3\)'),
            (frames[0][:90], r'frame 1 is uint8 \(90, 320, 3\), not uint8 \(180, 320, 3\)'),
            (frames[0][..., 0], r'frame 1 is uint8 \(180, 320\), not uint8 \(180, 320, 3\)'),
        ):
            for kind in (list, iter):
                with pytest.raises(ValueError, match=words):
                    list(again.restore(kind([frames[0], wrong])))
        with pytest.raises(ValueError, match='frame 0 is float64'):
            list(again.restore(iter([frames[0] / 255] * 3)))
    with pytest.raises(ValueError, match='there is no frame'):
        list(restorer.restore(iter(())))


def test_pixels_that_are_not_square(restorer, source, analysis, tmp_path):
    """Faces are found where they are seen, and restored as squares."""
    with av.open(str(tmp_path / 'in.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=25, options={'crf': '1'})
        stream.width, stream.height, stream.pix_fmt = 160, 180, 'yuv420p'
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for image in images(source):
            narrow = cv2.resize(image, (160, 180), interpolation=cv2.INTER_AREA)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(narrow, 'rgb24').reformat(format='yuv420p')))
        container.mux(stream.encode())
    found = restorer.analyse(tmp_path / 'in.mp4')
    places = [
        sorted((track.detections[0].x, track.detections[0].size) for track in tracks)
        for tracks in (found.tracks, read_analysis(analysis).tracks)
    ]
    assert np.allclose(*places, atol=4) and len(places[0]) == 2
    restorer.restore_video(tmp_path / 'in.mp4', tmp_path / 'out.mkv')
    wide = [[cv2.resize(image, (320, 180)) for image in images(tmp_path / name)] for name in ('in.mp4', 'out.mkv')]
    assert min(changes(*wide)) > 5
    outside = beside_faces(0, 1.3)[:, ::2]
    before, after = (planes(tmp_path / name)[0][0] for name in ('in.mp4', 'out.mkv'))
    assert np.array_equal(before[outside], after[outside])
