import os
import shutil
import tarfile
import time
import zipfile

import av
import cv2
import lmdb
import numpy as np
import pytest

from pgtf_basicsr.data.clips import Clip, read_landmarks, read_meta_info, write_landmarks
from pgtf_basicsr.images import read_image, write_image
from pgtf_basicsr.preparation.checking import check_layout

from ..helpers.downloads import CLIPS, LENGTH, SIZE, report, tree
from ..helpers.processes import Run
from ..helpers.storages import write_lmdb

ANNA, ANNA_LATER, BERT = CLIPS


def all_clips(root):
    return {clip.name: clip for split in ('train', 'val') for clip in read_meta_info(root / split / 'meta_info.txt')}


def landmarks_of(root, name):
    (path,) = root.glob(f'*/landmarks/{name}.txt')
    return read_landmarks(path)


def landmarks_of_source(source, name):
    return read_landmarks(source / 'landmarks' / f'{name}.txt')


def frame_path(source, name, number):
    (path,) = (source / 'clips').glob(f'*/{name}/{number:08d}.*')
    return path


def change_landmarks(source, name, change):
    path = source / 'landmarks' / f'{name}.txt'
    write_landmarks(path, change(read_landmarks(path)))


def test_folders_become_the_layout_with_faces_found(download, tmp_path, prepare):
    output = prepare('vfhq', download / 'clips', tmp_path / 'out', '--min-length', 3, '--workers', 2)
    clips = all_clips(tmp_path / 'out')
    assert clips == {name: Clip(name, LENGTH, SIZE, SIZE, first) for name, (_, first, _) in CLIPS.items()}
    for name, (_, first, suffix) in CLIPS.items():
        (folder,) = (tmp_path / 'out').glob(f'*/GT/{name}')
        assert sorted(os.listdir(folder)) == [f'{number:08d}.{suffix}' for number in range(first, first + LENGTH)]
        assert (folder / f'{first:08d}.{suffix}').samefile(frame_path(download, name, first))
        found, true = landmarks_of(tmp_path / 'out', name), landmarks_of_source(download, name)
        assert list(found) == list(true)
        assert max(np.abs(found[frame] - true[frame]).max() for frame in found) < 0.06 * SIZE
    assert output in (
        f'{tmp_path}/out: 2 clips, 16 frames to train on, 1 clip held out\n',
        f'{tmp_path}/out: 1 clip, 8 frames to train on, 2 clips held out\n',
    )
    assert report(tmp_path / 'out') == {} and not (tmp_path / 'out' / '.prepare').exists()
    splits = {path.parents[1].name for path in (tmp_path / 'out').glob('*/landmarks/Clip+anna*')}
    assert len(splits) == 1


def test_an_lmdb_gives_the_same_as_folders(download, tmp_path, prepare_given):
    """Its keys have no suffix: files get that of their format."""
    prepare_given(download, tmp_path / 'folders')
    prepare_given(download, tmp_path / 'lmdb', source=write_lmdb(download / 'clips', tmp_path / 'clips.lmdb'))
    assert tree(tmp_path / 'lmdb') == tree(tmp_path / 'folders')


def write_zip(path, folder):
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.rglob('*')):
            if file.is_file():
                archive.write(file, f'any/depth/{file.relative_to(folder)}', zipfile.ZIP_DEFLATED)
        archive.writestr('__MACOSX/any/0001.png', b'resource fork')
        archive.writestr('../../escaped/0001.png', b'leads out')


def write_tar(path, folder):
    with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT) as archive:
        archive.add(folder, 'any/' + 100 * 'n')
        archive.addfile(tarfile.TarInfo('/escaped/0001.png'))


@pytest.mark.parametrize('suffix, write', [('zip', write_zip), ('tar', write_tar)])
def test_archives_give_what_folders_give(download, tmp_path, prepare_given, suffix, write):
    (tmp_path / 'archives').mkdir()
    write(tmp_path / 'archives' / f'group.{suffix}', download / 'clips')
    prepare_given(download, tmp_path / 'a')
    prepare_given(download, tmp_path / 'b', source=tmp_path / 'archives')
    a, b = tree(tmp_path / 'a'), tree(tmp_path / 'b')
    assert {path for path in {**a, **b} if a.get(path) != b.get(path)} == {'left_out.txt'}
    assert 'leads out of it' in str(report(tmp_path / 'b')) and not list(tmp_path.rglob('escaped'))


def test_a_damaged_archive_gives_what_is_whole(download, tmp_path, prepare_given):
    write_tar(tmp_path / 'cut.tar', download / 'clips')
    data = (tmp_path / 'cut.tar').read_bytes()
    (tmp_path / 'cut.tar').write_bytes(data[: int(0.8 * len(data))])
    prepare_given(download, tmp_path / 'out', source=tmp_path / 'cut.tar')
    assert ANNA in all_clips(tmp_path / 'out')
    write_zip(tmp_path / 'broken.zip', download / 'clips')
    data = bytearray((tmp_path / 'broken.zip').read_bytes())
    data[data.find(b'00000003.png') + 200] ^= 255  # inside of the first of these
    (tmp_path / 'broken.zip').write_bytes(data)
    prepare_given(download, tmp_path / 'zip', source=tmp_path / 'broken.zip')
    assert 'broken: it cannot be read from broken.zip' in report(tmp_path / 'zip')[ANNA][0][1]


def test_the_number_of_workers_changes_nothing(download, tmp_path, prepare_given):
    prepare_given(download, tmp_path / 'one', '--copy')
    prepare_given(download, tmp_path / 'two', '--copy', '--workers', 2)
    assert tree(tmp_path / 'one') == tree(tmp_path / 'two')
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / 'one').rglob('*.png'))


@pytest.mark.parametrize('storage', ['frames', 'lmdb', 'video'])
def test_a_killed_run_goes_on_to_the_same_result(download, tmp_path, prepare_given, storage):
    prepare_given(download, tmp_path / 'whole', '--storage', storage)
    run = Run(
        tmp_path,
        'prepare',
        'vfhq',
        download / 'clips',
        'out',
        '--landmarks',
        download / 'landmarks',
        '--min-length',
        3,
        '--workers',
        1,
        '--storage',
        storage,
    )
    done = tmp_path / 'out' / 'prepare_done.jsonl'
    while not (done.exists() and done.stat().st_size):
        time.sleep(0.001)
    assert run.kill()
    assert not (tmp_path / 'out' / 'train' / 'meta_info.txt').exists()
    with open(done, 'a') as file:
        file.write('{"source": "half a li')
    prepare_given(download, tmp_path / 'out', '--storage', storage)
    if storage == 'lmdb':
        whole, out = (
            {split: entries(tmp_path / name / split / 'GT.lmdb') for split in ('train', 'val')}
            for name in ('whole', 'out')
        )
        assert whole == out
    paths = [path for path in tree(tmp_path / 'whole') if not path.endswith('.mdb')]
    assert [tree(tmp_path / 'whole')[path] for path in paths] == [tree(tmp_path / 'out')[path] for path in paths]


def test_ctrl_c_leaves_what_can_be_gone_on_with(download, tmp_path, prepare):
    # Enough of them that the signal comes in time.
    for number in range(24):
        shutil.copytree(download / 'clips' / 'group1' / ANNA, tmp_path / 'clips' / f'Clip+take{number:02d}+P0+C0+F0-7')
    run = Run(tmp_path, 'prepare', 'vfhq', 'clips', 'out', '--min-length', 3, '--workers', 1)
    run.wait_for('clip')
    run.signal(2)
    assert run.statuses() == [130] and 'Traceback' not in run.output()
    assert not (tmp_path / 'out' / '.prepare').exists()
    prepare('vfhq', tmp_path / 'clips', tmp_path / 'out', '--min-length', 3)
    assert len(all_clips(tmp_path / 'out')) == 24


def entries(path):
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return {key.decode(): value for key, value in transaction.cursor()}


def truncate(source):
    path = frame_path(source, ANNA, 4)
    path.write_bytes(path.read_bytes()[:300])


def empty(source):
    frame_path(source, ANNA, 4).write_bytes(b'')


def resize(source):
    path = frame_path(source, ANNA, 4)
    write_image(path, read_image(path)[:50])


def remove(source):
    frame_path(source, ANNA, 4).unlink()


def lose_landmark(source):
    # One would be interpolated.
    change_landmarks(
        source, ANNA, lambda landmarks: {frame: points for frame, points in landmarks.items() if frame != '00000004'}
    )


def displace_landmark(source):
    change_landmarks(source, ANNA, lambda landmarks: {**landmarks, '00000004': np.full((5, 2), np.nan)})


@pytest.mark.parametrize(
    'fault, reason',
    [
        (truncate, 'not a whole image'),
        (empty, 'not a whole image'),
        (remove, 'missing'),
        (resize, f'its size is {SIZE}x50, and {SIZE}x{SIZE} in the rest'),
        (displace_landmark, 'not finite'),
    ],
)
def test_a_clip_is_cut_where_it_is_broken(source, tmp_path, prepare_given, fault, reason):
    fault(source)
    prepare_given(source, tmp_path / 'out')
    clips = all_clips(tmp_path / 'out')
    assert (clips[ANNA].num_frames, clips[ANNA].first) == (4, 0)
    assert (clips[f'{ANNA}+from00000005'].num_frames, clips[f'{ANNA}+from00000005'].first) == (3, 5)
    assert list(landmarks_of(tmp_path / 'out', f'{ANNA}+from00000005')) == ['00000005', '00000006', '00000007']
    ((frames, told),) = report(tmp_path / 'out')[ANNA]
    assert frames == '00000004' and reason in told
    assert len(clips) == 4


def test_landmarks_of_another_crop_are_not_believed(source, tmp_path, prepare_given):
    change_landmarks(source, ANNA, lambda landmarks: {frame: points + (25, 0) for frame, points in landmarks.items()})
    prepare_given(source, tmp_path / 'out')
    ((_, reason),) = report(tmp_path / 'out')[ANNA]
    assert reason.startswith('given landmarks lie beside the face, ')
    assert not list((tmp_path / 'out').glob(f'*/GT/{ANNA}'))


def test_short_gaps_of_landmarks_are_filled_and_long_ones_cut(source, tmp_path, prepare_given):
    lose_landmark(source)
    change_landmarks(source, BERT, lambda landmarks: dict(list(landmarks.items())[:2]))
    (source / 'landmarks' / f'{ANNA_LATER}.txt').unlink()
    output = prepare_given(source, tmp_path / 'out')
    true, filled = landmarks_of_source(source, ANNA), landmarks_of(tmp_path / 'out', ANNA)
    assert np.allclose(filled['00000004'], (true['00000003'] + true['00000005']) / 2, atol=2e-3)
    notes = report(tmp_path / 'out')
    assert notes[ANNA] == [('00000004', 'no landmarks given; landmarks interpolated')]
    assert notes[BERT] == [
        ('00000100-00000101', 'only 2 good frames in a row'),
        ('00000102-00000107', 'no landmarks given'),
    ]
    assert 'cannot be read' in notes[ANNA_LATER][0][1]
    assert 'landmarks of 1 frame interpolated; 2 clips skipped, see' in output
    assert 'one identity only' in output and 'nothing is held out' in output


def test_frames_without_a_face_are_found_out(source, tmp_path, prepare):
    for number in (100, 101, 106, 107):
        write_image(frame_path(source, BERT, number), np.full((SIZE, SIZE, 3), 90, np.uint8))
    write_image(frame_path(source, BERT, 104), np.full((SIZE, SIZE, 3), 90, np.uint8))
    prepare('vfhq', source / 'clips' / 'group1' / BERT, tmp_path / 'out', '--min-length', 3)
    (clip,) = read_meta_info(tmp_path / 'out' / 'train' / 'meta_info.txt')
    assert (clip.name, clip.num_frames, clip.first) == (f'{BERT}+from00000102', 4, 102)
    assert [frames for frames, _ in report(tmp_path / 'out')[BERT]] == [
        '00000100-00000101',
        '00000104',
        '00000106-00000107',
    ]


def test_the_formats_of_landmarks_say_the_same(source, tmp_path, prepare):
    landmarks = {name: landmarks_of_source(source, name) for name in CLIPS}
    (tmp_path / 'nameless').mkdir()
    (tmp_path / 'vfhq').mkdir()
    lines = []
    for name, points in landmarks.items():
        rows = {frame: five.ravel() for frame, five in points.items()}
        (tmp_path / 'nameless' / f'{name}.txt').write_text(
            ''.join(' '.join(map(str, row)) + '\n' for row in rows.values())
        )
        # Cut out of a larger frame at (30, 20) and shrunk to half.
        there = {frame: ((five + 0.5) * 2 - 0.5 + (30, 20)).ravel() for frame, five in points.items()}
        (tmp_path / 'vfhq' / f'{name}.txt').write_text(
            f'Clip {name}\nFPS 25\nH 720\nW 1280\nCROP 30 20 {30 + 2 * SIZE} {20 + 2 * SIZE}\n'
            'FRAME INDEX X0 Y0 W H [Landmarks (5 Points)]\n'
            + ''.join(f'{frame} 0 1 2 3 4 ' + ' '.join(map(str, row)) + '\n' for frame, row in there.items())
        )
        lines += [
            f'GT/{name}/{frame}.png||||,' + ','.join(map(str, row)) + ',1,0,0,0,1,0\n' for frame, row in rows.items()
        ]
    (tmp_path / 'list.txt').write_text(''.join(lines))
    for path, kind in (
        (source / 'landmarks', 'keep'),
        (tmp_path / 'nameless', 'auto'),
        (tmp_path / 'vfhq', 'auto'),
        (tmp_path / 'list.txt', 'auto'),
    ):
        out = tmp_path / f'out_{path.name}'
        prepare('vfhq', source / 'clips', out, '--landmarks', path, '--landmark-format', kind, '--min-length', 3)
        for name, points in landmarks.items():
            found = landmarks_of(out, name)
            assert list(found) == list(points)
            assert max(np.abs(found[frame] - points[frame]).max() for frame in points) < 2e-3


def test_degraded_clips_come_along(source, tmp_path, prepare_given):
    for name, (_, first, _) in CLIPS.items():
        (source / 'lq' / name).mkdir(parents=True)
        for number in range(first, first + LENGTH):
            frame = read_image(frame_path(source, name, number))
            write_image(source / 'lq' / name / f'{number:08d}.png', cv2.resize(frame, (24, 24)))
    (source / 'lq' / BERT / '00000101.png').unlink()
    prepare_given(source, tmp_path / 'out', '--lq', source / 'lq', '--storage', 'lmdb')
    for name, clip in all_clips(tmp_path / 'out').items():
        (split,) = (path.parents[1] for path in (tmp_path / 'out').glob(f'*/landmarks/{name}.txt'))
        keys = [f'{name}/{number:08d}' for number in range(clip.first, clip.first + clip.num_frames)]
        original = name.partition('+from')[0]
        for kind, folder in (('GT', 'clips/group1'), ('LR_Blind', 'lq')):
            stored = entries(split / f'{kind}.lmdb')
            assert [key for key in stored if key.startswith(f'{name}/')] == keys
            (path,) = (source / folder / original).glob(f'{clip.first:08d}.*')
            assert stored[keys[0]] == path.read_bytes()
    assert 'no degraded frame' in report(tmp_path / 'out')[BERT][-1][1]


def test_stored_videos_are_made_for_windows(download, tmp_path, prepare_given):
    prepare_given(download, tmp_path / 'out', '--storage', 'video')
    (path,) = (tmp_path / 'out').glob(f'*/GT/{BERT}.mp4')
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert [packet.dts for packet in packets] == [packet.pts for packet in packets]
        assert [packet.is_keyframe for packet in packets] == [True] + [False] * 7
        assert stream.codec_context.pix_fmt == 'yuv420p'
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert len(frames) == LENGTH
    true = read_image(frame_path(download, BERT, 105)).astype(float)
    assert np.abs(frames[5] - true).mean() < 3


@pytest.mark.parametrize('storage', ['frames', 'lmdb'])
def test_somebody_is_held_out_even_if_who_was_to_be_is_gone(source, tmp_path, prepare_given, storage):
    """Of three, the one that is held out has no landmarks; one of the other two takes the place."""
    carl = 'Clip+carl+P0+C0+F0-7'
    shutil.copytree(source / 'clips' / 'group1' / ANNA, source / 'clips' / carl)
    shutil.copyfile(source / 'landmarks' / f'{ANNA}.txt', source / 'landmarks' / f'{carl}.txt')
    prepare_given(source, tmp_path / 'first', '--storage', storage)
    gone = {clip.name.split('+')[1] for clip in read_meta_info(tmp_path / 'first' / 'val' / 'meta_info.txt')}
    assert len(gone) == 1
    for path in (source / 'landmarks').glob(f'*{gone.pop()}*'):
        path.unlink()
    prepare_given(source, tmp_path / 'out', '--storage', storage)
    splits = [
        {clip.name.split('+')[1] for clip in read_meta_info(tmp_path / 'out' / split / 'meta_info.txt')}
        for split in ('train', 'val')
    ]
    assert [len(identities) for identities in splits] == [1, 1] and splits[0] != splits[1]
    assert check_layout(tmp_path / 'out').problems == []


def test_mistakes_are_told_in_a_line(download, tmp_path, prepare, prepare_given):
    assert 'there is no' in prepare('vfhq', tmp_path / 'nowhere', tmp_path / 'out', status=2)
    (tmp_path / 'empty').mkdir()
    assert '<clip>/00000000.png' in prepare('vfhq', tmp_path / 'empty', tmp_path / 'out', status=2)
    with tarfile.open(tmp_path / 'clips.tar.gz', 'w:gz'):
        pass
    assert 'decompress it' in prepare('vfhq', tmp_path / 'clips.tar.gz', tmp_path / 'out', status=2)
    assert 'needs facexlib' in prepare(
        'vfhq', download / 'clips', tmp_path / 'out', '--detector', 'retinaface', status=2
    )
    assert 'without --landmarks' in prepare(
        'vfhq', download / 'clips', tmp_path / 'out', '--landmark-format', 'keep', status=2
    )
    assert not (tmp_path / 'out').exists()
    assert 'lies within' in prepare('vfhq', download, download / 'out', status=2)
    assert 'not made by prepare' in prepare('vfhq', download / 'clips', download, status=2)
    (tmp_path / 'weights.pth').write_text('none')
    assert 'cannot be loaded into RetinaFace' in prepare(
        'vfhq', download / 'clips', tmp_path / 'out2', '--detector-weights', tmp_path / 'weights.pth', status=2
    )
    prepare_given(download, tmp_path / 'out')
    before = tree(tmp_path / 'out')
    error = prepare_given(download, tmp_path / 'out', '--storage', 'lmdb', status=2)
    assert "storage was 'frames' and is now 'lmdb'" in error and error.count('\n') == 0
    prepare_given(download, tmp_path / 'out')
    assert tree(tmp_path / 'out') == before
