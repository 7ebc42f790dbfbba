import os
import signal

import numpy as np

from pgtf_basicsr.preparation.layout import Layout
from pgtf_basicsr.preparation.segments import cut_clip
from pgtf_basicsr.preparation.splits import identity_of, split_clips, split_identities
from pgtf_basicsr.preparation.workers import Failure, run_tasks

from ..helpers.processes import CONTEXT


def test_identities_of_names():
    assert identity_of('Clip+-a_b+c+P0+C2+F1-9') == '-a_b+c'
    assert identity_of('Clip+x+P1+C0+F1-9+from00000005') == 'x'
    assert identity_of('tuesday+from00000005') == 'tuesday'


def test_splits_follow_from_names_and_hold_somebody_out():
    many = [f'person{index}' for index in range(500)]
    splits = split_identities(many, 0.1, seed=0)
    held_out = {identity for identity, split in splits.items() if split == 'val'}
    assert 25 < len(held_out) < 80
    assert splits.items() >= split_identities(many[:300], 0.1, seed=0).items()
    assert split_identities(many, 0.1, seed=1) != splits
    for share in (0.01, 0.99):
        assert sorted(split_identities(['a', 'b'], share, seed=0).values()) == ['train', 'val']
    assert all(split_identities([identity], 0.5, seed=0) == {identity: 'train'} for identity in many[:9])
    assert set(split_identities(many, 0, seed=0).values()) == {'train'}
    assert split_clips({'clip1': 'a', 'clip2': 'a'}, 0.1, seed=0) == {'clip1': 'train', 'clip2': 'val'}
    assert split_clips({'clip1': 'a'}, 0.1, seed=0) == {'clip1': 'train'}


def test_gaps_are_filled_up_to_a_length():
    def lost(first, last):
        return {number: None if first <= number <= last else np.full((5, 2), float(number)) for number in range(20)}

    segments, notes = cut_clip('clip', lost(8, 12), {}, min_length=4, max_gap=5)
    assert [(segment.name, len(segment), segment.interpolated) for segment in segments] == [('clip', 20, 5)]
    assert np.allclose(segments[0].landmarks[10], 10) and notes[0].reason.endswith('interpolated')
    segments, notes = cut_clip('clip', lost(8, 13), {}, min_length=4, max_gap=5)
    named = [(segment.name, segment.first, len(segment)) for segment in segments]
    assert named == [('clip', 0, 8), ('clip+from00000014', 14, 6)]
    segments, _ = cut_clip('clip', lost(0, 2), {}, min_length=4, max_gap=5)
    assert [(segment.first, segment.interpolated) for segment in segments] == [(3, 0)]
    segments, _ = cut_clip('clip', lost(8, 9), {10: 'broken'}, min_length=4, max_gap=5)
    assert [(segment.first, len(segment)) for segment in segments] == [(0, 8), (11, 9)]


def misbehave(task):
    if task == 'dies':
        os._exit(3)
    if task == 'raises':
        raise ValueError('no good')
    return task


def test_what_happens_to_one_task_stays_with_it():
    tasks = ['a', 'raises', 'b', 'dies', 'c', 'd', 'e', 'f', 'g']
    results = list(run_tasks(misbehave, tasks, 2, 'task'))
    assert results[1] == Failure('ValueError: no good')
    assert isinstance(results[3], Failure) and 'died' in results[3].reason
    assert [result for result in results if isinstance(result, str)] == ['a', 'b', 'c', 'd', 'e', 'f', 'g']


def begin_until_killed(root):
    """Begin a folder, and be killed when its first file gets its place."""
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    with Layout(root, {}, 'frames'):
        pass


def test_a_folder_that_was_just_begun_when_the_process_was_killed_is_no_obstacle(tmp_path):
    process = CONTEXT.Process(target=begin_until_killed, args=(tmp_path / 'out',))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL and list((tmp_path / 'out').iterdir())
    with Layout(tmp_path / 'out', {}, 'frames') as layout:
        assert not layout.records
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['prepare.json', 'prepare_done.jsonl']
