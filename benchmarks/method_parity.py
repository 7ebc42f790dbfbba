"""Print how far results of comparison methods are from those of the networks themselves, and what chunks change.

    python benchmarks/method_parity.py [--vsr net_g_latest.pth]

Weights are drawn from a seed at the size of the published networks: CodeFormer and GFPGAN are compared with spandrel's
networks, BasicVSR++ and HiFaceGAN with BasicSR's, in units of the range from 0 to 1. Of BasicVSR++ it then prints how
far chunks of different lengths are from the restoration of the whole clip, by the distance of a frame to the nearest
end of its chunk that is not an end of the clip. Some minutes on a CPU, and 3 GB of memory.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from unittest import mock

import torch
from spandrel.architectures.GFPGAN import GFPGAN
from spandrel_extra_arches.architectures.CodeFormer import CodeFormer
from torch import Tensor, nn
from torch.nn import functional as F

from pgtf_basicsr.methods import build_method
from pgtf_basicsr.methods.basicvsrpp import BasicVSRPlusPlusNetwork
from pgtf_basicsr.methods.hifacegan import HiFaceGANNetwork

FRAMES, SIDE = 20, 256
# Lengths of chunks and their overlaps that make up the clip without a rest.
CHUNKS = (8, 2), (12, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--vsr', metavar='FILE', help='weights of BasicVSR++ for the comparison of chunks')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        compare_networks(Path(folder, 'weights.pth'))
        compare_chunks(arguments.vsr or saved(basicvsrpp(), Path(folder, 'vsr.pth')))


def compare_networks(path: Path) -> None:
    frame = moving_clip(1, 512)[0]
    scaled = frame[None] * 2 - 1

    net = seeded(
        lambda: CodeFormer(
            dim_embd=512,
            n_head=8,
            n_layers=9,
            codebook_size=1024,
            latent_size=256,
            connect_list=['32', '64', '128', '256'],
            fix_modules=['quantize', 'generator'],
        )
    )
    for fidelity in (0.0, 0.5, 1.0):
        report('CodeFormer', path, net, frame, (net(scaled, weight=fidelity)[0] + 1) / 2, fidelity=fidelity)
    net = seeded(GFPGAN)
    report('GFPGAN', path, net, frame, (net(scaled, randomize_noise=False)[0] + 1) / 2)
    net = seeded(lambda: HiFaceGANNetwork(num_feat=48, norm_g='spectralspadeinstance3x3', is_train=False))
    report('HiFaceGAN', path, net, frame, net(frame[None]))
    net, clip = basicvsrpp(), moving_clip(3, SIDE)
    report('BasicVSRPlusPlus', path, net, clip, net(torch.stack(clip)[None])[0])


def report(name: str, path: Path, net: nn.Module, frames: Tensor | list[Tensor], expected: Tensor, **options) -> None:
    """Print the largest difference of a method to `expected`, and the largest change that it makes to frames."""
    clip = frames if isinstance(frames, list) else [frames]
    method = build_method({'type': name, 'weights': saved(net, path), 'device': 'cpu', **options})
    found = torch.stack(list(method.restore(clip)))
    difference = (found - expected.clamp(0, 1)).abs().max()
    change = (found - torch.stack(clip)).abs().max()
    write(f'{name} {options or ""}: difference {difference:.1e}, change of the frames {change:.2f}')


def compare_chunks(weights: str) -> None:
    clip = moving_clip(FRAMES, SIDE)
    whole = restored(clip, weights, FRAMES, 0)
    write(f'BasicVSR++, change of the frames: {(whole - torch.stack(clip)).abs().max():.2f}')
    for chunk, overlap in CHUNKS:
        differences = (restored(clip, weights, chunk, overlap) - whole).abs().flatten(1).amax(1)
        by_distance: dict[int, float] = {}
        for index, difference in enumerate(differences.tolist()):
            distance = distance_to_cut(index, chunk, chunk - overlap)
            by_distance[distance] = max(by_distance.get(distance, 0), difference)
        shown = ', '.join(f'{distance}: {value:.1e}' for distance, value in sorted(by_distance.items()))
        write(f'chunks of {chunk}, overlap {overlap}: by frames from the end of a chunk {shown}')


def distance_to_cut(index: int, chunk: int, stride: int) -> int:
    """Frames from frame `index` to the end of a chunk that it is farthest away from; the ends of the clip are none."""
    starts = range(0, FRAMES - chunk + 1, stride)
    return max(
        min(index - start if start > 0 else FRAMES, start + chunk - 1 - index if start + chunk < FRAMES else FRAMES)
        for start in starts
        if start <= index < start + chunk
    )


def restored(clip: list[Tensor], weights: str, chunk: int, overlap: int) -> Tensor:
    options = {'type': 'BasicVSRPlusPlus', 'weights': weights, 'chunk': chunk, 'overlap': overlap, 'device': 'cpu'}
    return torch.stack(list(build_method(options).restore(clip)))


def basicvsrpp() -> nn.Module:
    """BasicSR's network as it builds it on a GPU, with offsets of its alignment that are not zero."""

    def make() -> nn.Module:
        with mock.patch('torch.cuda.is_available', return_value=True):
            net = BasicVSRPlusPlusNetwork(16, 1, is_low_res_input=False)
        for alignment in net.deform_align.values():
            nn.init.normal_(alignment.conv_offset[-1].weight, std=0.02)
        return net

    return seeded(make)


def write(line: str) -> None:
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


def seeded(make) -> nn.Module:
    torch.manual_seed(0)
    return make().eval().requires_grad_(False)


def saved(net: nn.Module, path: Path) -> str:
    torch.save({'params': net.state_dict()}, path)
    return str(path)


def moving_clip(count: int, side: int) -> list[Tensor]:
    """Frames (3, side, side) of a smooth pattern that moves by (2, 3) pixels a frame."""
    noise = torch.rand(1, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    ground = F.interpolate(noise, (side + 2 * count, side + 3 * count), mode='bicubic')[0].clamp(0, 1)
    return [ground[:, 2 * i : 2 * i + side, 3 * i : 3 * i + side].clone() for i in range(count)]


if __name__ == '__main__':
    main()
