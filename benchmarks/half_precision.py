"""What bf16 and fp16 change: the same frames restored in fp32 and in bf16 or fp16.

    python benchmarks/half_precision.py input.mp4 --weights net_g_latest.pth

Printed are the PSNR of the one result against the other, of all frames, the lowest of a frame, and the share of the
predicted codes that are equal. Weights must be trained: of others the logits of many codes are nearly the same.
"""

import argparse
import sys

import torch

from pgtf_basicsr.archs.inference import for_inference
from pgtf_basicsr.devices import PRECISIONS, find_device
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.images import resize, to_tensor
from pgtf_basicsr.restoration.networks import fit_size, load_network
from pgtf_basicsr.restoration.windows import strided_windows
from pgtf_basicsr.video import VideoReader


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('video', help='a video of one face, cropped to it')
    parser.add_argument('--weights', required=True, help='a .pth or .safetensors file of a PGTFormer')
    parser.add_argument('--precision', default='bf16', choices=['bf16', 'fp16'])
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (default: %(default)s)')
    args = parser.parse_args()
    try:
        found = differences(args.video, args.weights, args.precision, find_device(args.device))
    except UserError as error:
        parser.error(str(error))
    sys.stdout.write(
        f'{found["frames"]} frames, {args.precision} against fp32: PSNR {found["PSNR, dB"]:.1f} dB, '
        f'lowest {found["lowest, dB"]:.1f} dB; equal codes {found["equal codes"]:.2%}\n'
    )


def differences(video, weights, precision, device):
    """Restore a video in fp32 and in another precision.

    Args:
        video (str | Path): A video of one face, cropped to it.
        weights (str | Path): A file of weights of a PGTFormer.
        precision (str): bf16 or fp16.
        device (torch.device): Where the networks run.

    Returns:
        dict: Number of frames, PSNR of all and of the worst one, share of equal codes.

    Raises:
        UserError: A file is missing or unreadable, or does not fit.
    """
    exact, rounded = (for_inference(load_network(weights).to(device), PRECISIONS[name]) for name in ('fp32', precision))
    errors, equal = [], []
    with VideoReader(video) as reader, torch.no_grad():
        size = fit_size(reader.width * reader.pixel_aspect, reader.height, exact.image_size, exact.requirements)
        frames = (to_tensor(resize(frame, size)).to(device) for frame in reader.images())
        for _, window in strided_windows(frames, exact.num_frames, exact.num_frames):
            (expected, expected_logits, _), (restored, logits, _) = (
                net(torch.stack(window)[None], return_codes=True) for net in (exact, rounded)
            )
            errors += (restored.float().clamp(0, 1) - expected.clamp(0, 1)).square().mean((2, 3, 4))[0].tolist()
            equal.append((logits.argmax(-1) == expected_logits.argmax(-1)).float().mean().item())
    return {
        'frames': len(errors),
        'PSNR, dB': psnr(sum(errors) / len(errors)),
        'lowest, dB': psnr(max(errors)),
        'equal codes': sum(equal) / len(equal),
    }


def psnr(error):
    """Convert a mean squared error of values in [0, 1] to dB."""
    return float(-10 * torch.tensor(error).log10())


if __name__ == '__main__':
    main()
