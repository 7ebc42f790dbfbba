"""Cost of the dataset: samples a second on one core, where the time goes, and how it grows with the clips.

    python benchmarks/data_pipeline.py [--samples 40] [--frames 96]

Windows of three 512x512 frames, aligned, degraded on the fly with VFHQ's ranges, of one thread.  The clips are
moving portraits, written as PNG folders, as an LMDB of the same files, and as H.264 videos as prepare makes them.
"""

import argparse
import cProfile
import multiprocessing
import os
import pstats
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ['OMP_NUM_THREADS'] = '1'

import cv2
import lmdb
import numpy as np
import torch

from pgtf_basicsr.data import VFHQDataset
from pgtf_basicsr.data.clips import Clip, write_landmarks, write_meta_info
from pgtf_basicsr.images import write_image
from pgtf_basicsr.samples.portraits import FacePath, portraits
from pgtf_basicsr.video import SeekableVideoWriter

SIZE = 512
STORAGES = ('frames', 'lmdb', 'video')
# Functions whose time is measured separately, by name and by what they do.
STEPS = {
    'read': 'reading',
    'landmarks': 'landmarks',
    'warp': 'alignment',
    'shrink': 'blur and noise',
    'code_and_decode': 'codec',
    '_enlarge': 'enlarging',
    '_to_tensor': 'tensors',
}
MANY, START_UP = 10_000, 16_000


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--samples', type=int, default=40, help='samples a measurement (default: %(default)s)')
    parser.add_argument('--frames', type=int, default=96, help='frames of a clip (default: %(default)s)')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clips = write_clips(root, args.frames)
        datasets = {storage: data_set(root, storage) for storage in STORAGES}
        heads = ''.join(f'{name:>16s}' for name in [*STEPS.values(), 'rest'])
        write(f'{"storage":10s}{"samples/s":>10s}{"ratio":>8s}   ms of a sample in:{heads}\n')
        rates = rates_of(datasets, args.samples)
        for storage, dataset in datasets.items():
            steps = step_times(dataset, args.samples)
            times = ''.join(f'{step:16.1f}' for step in steps)
            write(f'{storage:10s}{rates[storage]:10.2f}{rates[storage] / rates["frames"]:8.2f}{"":21s}{times}\n')
        grow(root, clips, args.samples)


def write_clips(root, num_frames):
    """One clip a portrait in each storage, with landmarks and a list."""
    clips = []
    database = lmdb.open(str(root / 'lmdb'), map_size=2**32)
    for number, face in enumerate(portraits()):
        name = f'Clip+{face.name}+P0+C0+F0-{num_frames}'
        path = FacePath(face.landmarks, SIZE, np.random.default_rng(number))
        times = np.linspace(0, 1, num_frames)
        names = [f'{index:08d}' for index in range(num_frames)]
        (root / 'frames' / name).mkdir(parents=True)
        (root / 'landmarks').mkdir(exist_ok=True)
        write_landmarks(root / 'landmarks' / f'{name}.txt', dict(zip(names, map(path.landmarks_at, times))))
        video = SeekableVideoWriter(root / 'video' / f'{name}.mp4', 25, 10, SIZE, SIZE)
        for frame_name, moment in zip(names, times):
            frame = path.render(face.photo, moment)
            file = root / 'frames' / name / f'{frame_name}.png'
            write_image(file, frame)
            with database.begin(write=True) as transaction:
                transaction.put(f'{name}/{frame_name}'.encode(), file.read_bytes())
            video.write(frame)
        video.close()
        clips.append(Clip(name, num_frames, SIZE, SIZE, 0))
    database.close()
    write_meta_info(root / 'meta_info.txt', clips)
    return clips


def data_set(root, storage, meta_info_file='meta_info.txt', landmarks='landmarks'):
    """The clips of a storage as stage III sees them."""
    return VFHQDataset(
        {
            'name': storage,
            'phase': 'train',
            'dataroot_gt': root / storage,
            'dataroot_landmarks': root / landmarks,
            'meta_info_file': root / meta_info_file,
            'gt_size': SIZE,
            'use_hflip': True,
            'windows_per_clip': 10_000,
        }
    )


def rates_of(datasets, samples):
    """Samples a second of each dataset, from one run in which they take turns."""
    times = {name: [] for name in datasets}
    for index in range(samples + 2):
        for name, dataset in datasets.items():
            start = time.perf_counter()
            dataset[index]
            times[name].append(time.perf_counter() - start)
    return {name: 1 / statistics.fmean(values[2:]) for name, values in times.items()}


def step_times(dataset, samples):
    """Milliseconds of a sample that each of STEPS takes, and the rest."""
    profile = cProfile.Profile()
    profile.enable()
    for index in range(samples):
        dataset[index]
    profile.disable()
    stats = pstats.Stats(profile)
    cumulative = dict.fromkeys(STEPS, 0.0)
    for (file, _, function), (_, _, own, seconds, _) in stats.stats.items():
        if function in STEPS and 'pgtf_basicsr' in file and not (function == 'read' and 'storage' in file):
            # The codec asks for its frames while it works.
            cumulative[function] += own if function == 'code_and_decode' else seconds
    times = [1000 * seconds / samples for seconds in cumulative.values()]
    return [*times, 1000 * stats.total_tt / samples - sum(times)]


def grow(root, clips, samples):
    """Time and memory with few and with many clips, and time to start; the many are links to the few."""
    for count in (10, MANY, START_UP):
        listed = []
        folders = [root / f'frames_{count}', root / f'landmarks_{count}']
        for folder in folders:
            folder.mkdir()
        for number in range(count):
            clip = clips[number % len(clips)]
            listed.append(Clip(f'{clip.name}+{number:05d}', *list(vars(clip).values())[1:]))
            (folders[0] / listed[-1].name).symlink_to(root / 'frames' / clip.name)
            (folders[1] / f'{listed[-1].name}.txt').symlink_to(root / 'landmarks' / f'{clip.name}.txt')
        write_meta_info(root / f'meta_info_{count}.txt', listed)
    names = {
        count: (f'frames_{count}', f'meta_info_{count}.txt', f'landmarks_{count}') for count in (10, MANY, START_UP)
    }
    rates = rates_of({count: data_set(root, *names[count]) for count in (10, MANY)}, samples)
    memory = {count: worker_memory(root, names[count], samples) for count in (10, MANY)}
    write(
        f'\n{MANY} clips against 10: time of a sample x {rates[10] / rates[MANY]:.3f}, memory of a worker '
        f'{memory[MANY]:.1f} against {memory[10]:.1f} MB (x {memory[MANY] / memory[10]:.3f})\n'
    )
    start = time.perf_counter()
    data_set(root, *names[START_UP])
    write(f'start with {START_UP} clips: {time.perf_counter() - start:.2f} s\n')


def worker_memory(root, names, samples):
    """Peak resident memory in MB of a process that reads samples, as a loader's does."""
    context = multiprocessing.get_context('spawn')
    with context.Pool(1) as pool:
        return pool.apply(read_samples, (root, names, samples))


def read_samples(root, names, samples):
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = data_set(root, *names)
    for index in range(samples):
        dataset[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == '__main__':
    main()
