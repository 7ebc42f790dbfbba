"""Ablations in small: the pairs of the paper's Tables 3 and 5, trained by the quickstart with several seeds.

    python benchmarks/quickstart_ablations.py FOLDER --seeds 3

It takes about ten minutes a seed on a core, writes datasets/, experiments/ and results/ in FOLDER, and prints what
``basicsr report ablations`` makes of them. What is there already is not run again. Numbers of networks this small,
trained for a minute on two portraits, say how runs scatter and that the files work; they say nothing of the paper's.
"""

import argparse
import subprocess
import sys
from pathlib import Path

# {name of the runs: (option file, {network: name of the runs whose weights it starts from})}, in their order.
RUNS = {
    'ts_vqgan': ('quickstart/stage1.yml', {}),
    'image_vqgan': ('ablations/quickstart/image_vqgan.yml', {}),
    'stage2': ('quickstart/stage2.yml', {'vqgan': 'ts_vqgan'}),
    'tfr': ('quickstart/stage3.yml', {'vqgan': 'ts_vqgan', 'g': 'stage2', 'd': 'ts_vqgan'}),
    'spatial_tfr': ('ablations/quickstart/spatial_tfr.yml', {'vqgan': 'ts_vqgan', 'g': 'stage2', 'd': 'ts_vqgan'}),
    'no_tfr': ('ablations/quickstart/no_tfr.yml', {'vqgan': 'ts_vqgan', 'g': 'stage2'}),
}


def main() -> None:
    """Train and test all runs that are not there yet, and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--seeds', type=int, default=3, help='runs of each variant (default: %(default)s)')
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if not (args.folder / 'datasets').exists():
        basicsr(args.folder, 'sample-data', 'datasets/sample')
    for seed in range(args.seeds):
        for name, (option_file, start) in RUNS.items():
            run_once(args.folder, f'{name}_seed{seed}', option_file, seed, start)
    basicsr(args.folder, 'report', 'ablations', 'results')


def run_once(folder: Path, name: str, option_file: str, seed: int, start: dict[str, str]) -> None:
    """Train and test a run, unless its test has finished."""
    if list((folder / 'results' / name).glob('metrics_*.json')):
        return
    weights = {
        network: f'path:pretrain_network_{network}=experiments/{run}_seed{seed}/models/'
        f'net_{"d" if network == "d" else "g"}_latest.pth'
        for network, run in start.items()
    }
    named = ['-opt', option_file, '--force_yml', f'name={name}', f'manual_seed={seed}']
    basicsr(folder, 'train', *named, *weights.values(), quiet=True)
    # A test takes the network that the training has made, and the teacher for metrics of codes.
    basicsr(folder, 'test', *named, *(weights[network] for network in weights if network == 'vqgan'), quiet=True)


def basicsr(folder: Path, *arguments: str, quiet: bool = False) -> None:
    """Run a command in a folder; what it writes is shown if it fails, or unless ``quiet``."""
    done = subprocess.run(
        [sys.executable, '-m', 'pgtf_basicsr', *arguments],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if done.returncode:
        raise SystemExit(f'{" ".join(arguments)} ended with status {done.returncode}\n{done.stdout or ""}')


if __name__ == '__main__':
    main()
