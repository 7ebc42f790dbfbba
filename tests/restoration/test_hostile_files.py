"""Broken and hostile files: each is restored or refused in a line; nothing is left, nothing hangs, memory is bounded.

`helpers/hostile.py` makes them by their seeds. A seed that once failed stays in `ONCE_FAILED`.
"""

import json
import signal
from pathlib import Path

import pytest

from ..helpers.hostile import hostile_file
from ..helpers.processes import CONTEXT
from ..helpers.small_networks import PGTFormer, build, write

ONCE_FAILED = (173,)
QUICK = sorted({*range(30), *ONCE_FAILED})
OTHERS = [seed for seed in range(200) if seed not in QUICK]
SECONDS = 60  # for a file of six frames, on a busy machine
MEGABYTES = 1500


def restore_all(folder, seeds, stride):
    """In a process of its own: restore the file of each seed, and note how that ended."""
    from pgtf_basicsr.errors import UserError
    from pgtf_basicsr.restoration.settings import Settings
    from pgtf_basicsr.restoration.whole_video import Restorer

    restorer = Restorer(folder / 'net_g.pth', None, Settings(size=16, faces='crop', stride=stride))
    with open(folder / 'outcomes.jsonl', 'a') as outcomes:
        for seed in seeds:
            name, data = hostile_file(seed)
            (folder / 'in').mkdir(exist_ok=True)
            source = folder / 'in' / name
            source.write_bytes(data)
            target = folder / 'out' / f'{seed}.mkv'
            before = _reset_peak()
            signal.alarm(SECONDS)
            try:
                error = None
                restorer.restore_video(source, target)
            except UserError as refusal:
                error = str(refusal)
            except Exception as fault:
                error = f'FAULT {type(fault).__name__}: {fault}'
            signal.alarm(0)
            left = sorted(str(path.relative_to(folder / 'out')) for path in (folder / 'out').rglob('*'))
            outcomes.write(
                json.dumps(dict(name=name, seed=seed, error=error, left=left, megabytes=_peak() - before)) + '\n'
            )
            outcomes.flush()
            source.unlink()
            for path in left:
                (folder / 'out' / path).unlink(missing_ok=True)


def _reset_peak():
    Path('/proc/self/clear_refs').write_text('5')
    return _peak()


def _peak():
    status = Path('/proc/self/status').read_text()
    return int(status.split('VmHWM:')[1].split()[0]) // 1024


def check(folder, seeds, stride):
    write(folder / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())
    process = CONTEXT.Process(target=restore_all, args=(folder, seeds, stride))
    process.start()
    process.join()
    outcomes = [json.loads(line) for line in (folder / 'outcomes.jsonl').read_text().splitlines()]
    done = [outcome['seed'] for outcome in outcomes]
    assert process.exitcode == 0, f'exit status {process.exitcode} at seed {seeds[len(done)]}'
    assert done == list(seeds)
    for outcome in outcomes:
        error, seed = outcome['error'], outcome['seed']
        if error is None:
            assert outcome['left'] == [f'{seed}.mkv'], outcome
        else:
            assert not error.startswith('FAULT') and '\n' not in error and outcome['name'] in error, outcome
            assert outcome['left'] == [], outcome
        assert outcome['megabytes'] < MEGABYTES, outcome
    refused = sum(outcome['error'] is not None for outcome in outcomes)
    assert 0.2 * len(seeds) < refused < 0.9 * len(seeds)


@pytest.mark.timeout(300)
def test_some(tmp_path):
    check(tmp_path, QUICK, stride=1)


@pytest.mark.slow(seconds=40)
@pytest.mark.timeout(1500)
def test_others(tmp_path):
    # Windows side by side take less time than one for each frame.
    check(tmp_path, OTHERS, stride=3)
