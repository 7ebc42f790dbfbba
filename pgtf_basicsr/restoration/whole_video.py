"""From a bad video of a face to a good one, in bounded memory."""

from contextlib import closing

import numpy as np
import torch
from basicsr.archs import build_network
from basicsr.utils import get_root_logger
from tqdm import tqdm

from .. import config
from ..archs.inference import for_inference
from ..checkpoints import load_weights, read_checkpoint
from ..devices import PRECISIONS, find_device
from ..errors import UserError
from ..images import resize, to_tensor
from ..video import VideoReader, VideoWriter
from .background import read_ahead, write_behind
from .streaming import restore_frames

__all__ = ['batch_that_fits', 'fit_size', 'load_network', 'restore_video']

# Bytes that a window takes while it is worked on, for each pixel of a frame.  Measured in single precision on a CPU;
# what a GPU's allocator and convolutions add is allowed for.
WINDOW_BYTES = 4000
# Frames read ahead and frames to be written, at least: decoders and encoders take several at a time.
BUFFERED = 4


def restore_video(
    source,
    target,
    weights,
    option_file=None,
    fidelity=1.0,
    batch_size='auto',
    size=None,
    device='auto',
    crf=18,
    stride=1,
    precision='fp32',
):
    """Restore a video of one cropped face, with a progress bar on stderr.

    The output has the input's size, number of frames, exact frame rate, colours and audio.  The
    network sees the frames resized so that their shape is kept, the short side is `size`, and
    both sides are multiples of the network's stride.  A few frames are in memory at a time.

    Args:
        source (str | Path): the video to restore.
        target (str | Path): the video to write, .mp4, .m4v, .mov or .mkv; its folder is made if
            need be.  It appears when it is complete.
        weights (str | Path): as `checkpoints.read_checkpoint` takes them.
        option_file (str | Path, optional): its `network_g` is the network.  Default: the one
            that the weights name, else the published one.
        fidelity (float): the paper's w, in [0, 1].
        batch_size (int | str): windows in one pass, at least 1; auto as `batch_that_fits`.
        size (int, optional): short side in the network, in pixels, a multiple of its stride.
            Default: the network's nominal size.
        device (str): auto, cpu, cuda or cuda:N.
        crf (int): H.264 quality, 0 to 51.
        stride (int): frames from one window to the next, 1 to the network's number of frames, see
            `streaming.restore_frames`.
        precision (str): fp32, bf16 or fp16, of the arithmetic.

    Raises:
        UserError: a file is missing, unreadable or does not fit, or an argument is out of range.
    """
    _require(0 <= fidelity <= 1, f'fidelity must be between 0 and 1, not {fidelity}')
    _require(batch_size == 'auto' or batch_size >= 1, f'batch must be at least 1, or auto, not {batch_size}')
    _require(stride >= 1, f'stride must be at least 1, not {stride}')
    _require(0 <= crf <= 51, f'crf must be between 0 and 51, not {crf}')
    device = find_device(device)
    if precision != 'fp32' and device.type == 'cpu' and torch.backends.cpu.get_cpu_capability() == 'AVX2':
        get_root_logger().warning(
            f'This processor has no arithmetic in half precision: {precision} will take many times longer than fp32.'
        )

    with VideoReader(source) as reader:
        writer = VideoWriter(
            target,
            reader.rate,
            reader.width,
            reader.height,
            audio_from=source,
            crf=crf,
            color=reader.color,
            pixel_aspect=reader.pixel_aspect,
        )
        _require(writer.path.resolve() != reader.path.resolve(), f'{target} is the input itself: choose another output')
        net = load_network(weights, option_file)
        _require(
            stride <= net.num_frames, f'stride must be {net.num_frames} at most, the frames of a window, not {stride}'
        )
        short_side = net.image_size if size is None else size
        working_size = fit_size(reader.width * reader.pixel_aspect, reader.height, short_side, net.stride)
        net = for_inference(net.to(device), PRECISIONS[precision])
        if batch_size == 'auto':
            batch_size = batch_that_fits(working_size, device)
        # A thread decodes and a thread encodes while the network works.  All that torch does, it does in this one:
        # in another it would start a second set of CPU threads.
        buffered = max(BUFFERED, batch_size * stride)
        frames = read_ahead((resize(frame, working_size) for frame in reader), buffered)
        restored = restore_frames(net, map(to_tensor, frames), stride, batch_size, device, fidelity=fidelity)
        _make_folder(writer.path.parent)
        with (
            closing(frames),
            writer,
            write_behind(
                lambda frame: writer.write(_to_picture(frame, (reader.width, reader.height))), buffered
            ) as write,
        ):
            for frame in tqdm(restored, desc=writer.path.name, total=reader.num_frames, unit='frame'):
                write(frame.float().numpy())


def load_network(weights, option_file=None):
    """Build the network that the weights belong to, in eval mode, with the weights in it.

    Args:
        weights (str | Path): as `checkpoints.read_checkpoint` takes them.
        option_file (str | Path, optional): its `network_g` is the network.  Default: the one
            that the weights name, else the published one.

    Returns:
        nn.Module: a PGTFormer on the CPU.

    Raises:
        UserError: a file is missing or unreadable, the network cannot be built or is none that
            restores, or the weights do not fit it.
    """
    checkpoint = read_checkpoint(weights)
    if option_file:
        network, name = config.load(option_file).get('network_g'), f'network_g of {option_file}'
    elif checkpoint.network:
        network, name = checkpoint.network, f'the network that {weights} names'
    else:
        network, name = dict(type='PGTFormer'), 'the published network (--opt FILE names another)'
    _require(
        isinstance(network, dict) and network.get('type') == 'PGTFormer',
        f'{name} does not restore: its type must be PGTFormer, which stages II to IV train',
    )
    try:
        # On the meta device nothing is drawn that the weights replace at once.
        with torch.device('meta'):
            net = build_network(network)
    except (TypeError, ValueError) as error:
        raise UserError(f'{name} cannot be built: {error}') from error
    state = {
        key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in checkpoint.state_dict().items()
    }
    load_weights(net, state, f'{weights}, loaded into {name},', assign=True)
    return net.eval()


def fit_size(width, height, short_side, stride):
    """Width and height for the network: the same shape, as nearly as multiples of `stride` allow.

    Raises:
        UserError: `short_side` is not a multiple of `stride`, or of less than two of them.
    """
    _require(
        short_side % stride == 0 and short_side >= 2 * stride,
        f'size must be a multiple of {stride} and at least {2 * stride}, not {short_side}',
    )
    scale = short_side / min(width, height)
    return tuple(round(side * scale / stride) * stride for side in (width, height))


def batch_that_fits(size, device):
    """Windows in one pass: what free memory of a GPU allows for, 8 at most; 1 on a CPU, where more are no faster.

    Args:
        size (tuple[int]): width and height of the frames in the network.
        device (torch.device): where it works.
    """
    if device.type != 'cuda':
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(8, int(free * 0.8) // (WINDOW_BYTES * size[0] * size[1])))


def _to_picture(frame, size):
    """A (3, H, W) float array to (height, width, 3) uint8, by NumPy and OpenCV alone."""
    frame = resize(frame.transpose(1, 2, 0), size)
    return (frame.clip(0, 1) * 255).round().astype(np.uint8)


def _make_folder(path):
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'cannot make the folder {path}: {error.strerror}') from error


def _require(condition, complaint):
    if not condition:
        raise UserError(complaint)
