"""From a video to a restored video, with a small PGTFormer."""

import argparse
import copy
import math
import os
import resource
import signal
import sys
import threading
from contextlib import nullcontext
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pgtf_basicsr.archs import TSVQGAN, PGTFormer
from pgtf_basicsr.archs.input_requirements import InputRequirements
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.restoration import loaded_network, whole_video
from pgtf_basicsr.restoration.command import add_arguments, run
from pgtf_basicsr.restoration.io import segments
from pgtf_basicsr.restoration.modes import crop
from pgtf_basicsr.restoration.networks import fit_size, load_network
from pgtf_basicsr.video import VideoReader, VideoWriter
from pgtf_basicsr.video.segment_writer import SegmentWriter

from ..helpers.crops import CROP, restore_crop
from ..helpers.processes import Run
from ..helpers.small_networks import SWIN_AUTOENCODER, SWIN_PGTFORMER
from ..helpers.videos import audio_packets, frame_times, moving_frames, psnr, write_video

NTSC = Fraction(30000, 1001)
NETWORK = dict(SWIN_PGTFORMER, type='PGTFormer')


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.enumerate()
    yield
    assert [thread for thread in threading.enumerate() if thread not in before and not thread.daemon] == []


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    net = PGTFormer(**{name: value for name, value in NETWORK.items() if name != 'type'}).eval()
    with torch.no_grad():  # greys in the middle of the range: 4:2:0 holds them as they are
        net.decoder.conv_out.weight.copy_(0.1 * net.decoder.conv_out.weight[:1])
        net.decoder.conv_out.bias.fill_(0.5)
    return net


@pytest.fixture
def weights(network, tmp_path):
    torch.save({'params': network.state_dict(), 'network': NETWORK}, tmp_path / 'net_g.pth')
    return tmp_path / 'net_g.pth'


@pytest.fixture
def source(tmp_path):
    return write_video(tmp_path / 'in.mp4', moving_frames(10, 40, 32), NTSC, audio='aac')


def frames_of(path):
    with VideoReader(path) as reader:
        return list(reader.images())


def test_output_has_the_count_rate_size_and_audio_of_the_input(source, weights, tmp_path, capfd):
    target = tmp_path / 'new folder' / 'out.mp4'
    restore_crop(source, target, weights)
    with VideoReader(target) as reader:
        assert (reader.width, reader.height, reader.rate) == (40, 32, NTSC)
        assert len(list(reader)) == 10
    assert audio_packets(target) == audio_packets(source)
    shown = capfd.readouterr()
    assert '10/10' in shown.err and 'frame/s' in shown.err and not shown.out


def test_frames_are_those_of_the_network(source, weights, network, tmp_path):
    restore_crop(source, tmp_path / 'out.mp4', weights, fidelity=0.5, crf=0)
    clip = torch.from_numpy(np.stack(frames_of(source))).permute(0, 3, 1, 2).float() / 255
    restored = frames_of(tmp_path / 'out.mp4')
    for index in range(len(restored)):
        window = clip[[max(index - 1, 0), index, min(index + 1, 9)]]
        with torch.no_grad():
            expected = 255 * network(window[None], fidelity=0.5)[0, 1].permute(1, 2, 0).numpy()
        likeness = [psnr(other, expected) for other in restored]
        assert likeness[index] > 45 and likeness[index] == max(likeness)


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_half_precision_restores_nearly_the_same(precision, source, weights, tmp_path):
    """Nearly: of random weights some codes differ."""
    restore_crop(source, tmp_path / 'single.mp4', weights, crf=0)
    command = Run(
        tmp_path,
        *('restore', source, '-o', 'half.mp4', '--weights', weights, '--crf', 0, '--precision', precision),
        *CROP,
    )
    assert command.statuses() == [0], command.output()
    warned = f'has no {precision} arithmetic' in command.output()
    assert warned == (torch.backends.cpu.get_cpu_capability() == 'AVX2')
    with VideoReader(tmp_path / 'single.mp4') as single, VideoReader(tmp_path / 'half.mp4') as half:
        assert min(psnr(a, b) for a, b in zip(single.images(), half.images(), strict=True)) > 25


def test_batches_do_not_change_the_result(source, weights, tmp_path):
    for batch_size in (1, 4):
        restore_crop(source, tmp_path / f'{batch_size}.mp4', weights, batch_size=batch_size)
    for one, four in zip(frames_of(tmp_path / '1.mp4'), frames_of(tmp_path / '4.mp4')):
        assert np.abs(one.astype(int) - four).max() <= 8


@pytest.mark.parametrize('width, height', [(33, 47), (100, 64), (16, 16)])
def test_any_size_goes_through(weights, tmp_path, width, height):
    with VideoWriter(tmp_path / 'in.mkv', 25, width, height) as writer:
        for frame in moving_frames(2, width, height):
            writer.write(frame)
    restore_crop(tmp_path / 'in.mkv', tmp_path / 'out.mp4', weights)
    assert [frame.shape for frame in frames_of(tmp_path / 'out.mp4')] == [(height, width, 3)] * 2


@pytest.mark.parametrize(
    'size, short_side, stride, expected',
    [
        ((512, 512), 512, 16, (512, 512)),
        ((176, 144), 512, 16, (624, 512)),
        ((640, 360), 512, 16, (912, 512)),
        ((360, 640), 64, 4, (64, 112)),
        ((1000, 999), 64, 4, (64, 64)),
    ],
)
def test_the_network_sees_the_shape_of_the_input(size, short_side, stride, expected):
    assert fit_size(*size, short_side, InputRequirements(3, stride)) == expected


def test_weights_may_be_bare_or_safetensors_with_an_option_file(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / 'bare.pth')
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, tmp_path / 'w.safetensors')
    (tmp_path / 'net.yml').write_text(f'name: x\nnetwork_g: {NETWORK}\n')
    for name in ('bare.pth', 'w.safetensors'):
        loaded = load_network(tmp_path / name, tmp_path / 'net.yml').state_dict()
        assert all(torch.equal(tensor, loaded[key]) for key, tensor in network.state_dict().items())


def test_weights_of_another_network_are_refused(weights, tmp_path):
    other = {**NETWORK, 'codebook_size': 8}
    (tmp_path / 'net.yml').write_text(f'network_g: {other}\n')
    with pytest.raises(UserError, match=r'net_g.pth.* does not fit PGTFormer: .*16×32, the network has 8×32'):
        load_network(weights, tmp_path / 'net.yml')


def test_weights_of_stage_one_are_refused(tmp_path):
    network = dict(type='TSVQGAN', **SWIN_AUTOENCODER)
    torch.save({'params': TSVQGAN(**SWIN_AUTOENCODER).state_dict(), 'network': network}, tmp_path / 'vq.pth')
    with pytest.raises(UserError, match='vq.pth names does not restore: its type must be PGTFormer'):
        load_network(tmp_path / 'vq.pth')


@pytest.mark.parametrize(
    'text, complaint',
    [
        ('network_g: [', 'not a valid option file'),
        ('name: x', 'does not restore: its type must be PGTFormer'),
        ('network_g: {type: PGTFromer}', 'does not restore: its type must be PGTFormer'),
        ('network_g: {type: PGTFormer, wdith: 32}', 'wdith: there is no such option; did you mean width'),
    ],
)
def test_bad_option_files_are_named(weights, tmp_path, text, complaint):
    (tmp_path / 'net.yml').write_text(text)
    with pytest.raises(UserError, match=f'net.yml.*{complaint}') as caught:
        load_network(weights, tmp_path / 'net.yml')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'options, complaint',
    [
        (dict(fidelity=1.5), 'fidelity must be between 0 and 1, not 1.5'),
        (dict(batch_size=0), 'batch must be at least 1'),
        (dict(crf=60), '--crf 60: h264 takes 0, the best, to 51'),
        (dict(size=30), 'size must be a multiple of 4 and at least 8, not 30'),
        (dict(device='tpu'), 'device must be auto, cpu, cuda or cuda:N, not tpu'),
        (dict(option_file='none.yml'), 'none.yml does not exist, and no packaged file has this name'),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(source, weights, tmp_path, options, complaint):
    with pytest.raises(UserError, match=complaint):
        restore_crop(source, tmp_path / 'new' / 'out.mp4', weights, **options)
    assert not (tmp_path / 'new').exists()


def test_the_input_is_not_overwritten(source, weights, tmp_path):
    before = source.read_bytes()
    (tmp_path / 'link.mp4').symlink_to(source)
    for target in (source, tmp_path / 'link.mp4'):
        with pytest.raises(UserError, match='is the input itself'):
            restore_crop(source, target, weights)
    assert source.read_bytes() == before


def test_a_video_that_breaks_off_leaves_nothing_behind(weights, tmp_path):
    source = write_video(tmp_path / 'in.mp4', moving_frames(20, 64, 48), 25, movflags='faststart')
    source.write_bytes(source.read_bytes()[:-1000])
    (tmp_path / 'out').mkdir()
    with pytest.raises(UserError, match='in.mp4 breaks off'):
        restore_crop(source, tmp_path / 'out' / 'out.mp4', weights)
    assert not list((tmp_path / 'out').iterdir())


def test_command_line(source, weights, tmp_path):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(
        parser.parse_args(
            [
                str(source),
                '-o',
                str(tmp_path / 'out.mkv'),
                '--weights',
                str(weights),
                '--batch',
                '2',
                '--size',
                '16',
                '--fidelity',
                '0',
                '--device',
                'cpu',
                *CROP,
                '--crf',
                '30',
            ]
        )
    )
    assert len(frames_of(tmp_path / 'out.mkv')) == 10


@pytest.mark.parametrize('width, height, batch_size', [(40, 32, 1), (72, 48, 6)])
def test_threads_do_not_change_a_byte(weights, tmp_path, monkeypatch, width, height, batch_size):
    """Of what is encoded: x264 itself makes different bytes of the same frames from one run to the next."""
    source = write_video(tmp_path / 'in.mp4', moving_frames(12, width, height), NTSC, audio='aac')
    write, written = SegmentWriter.write, []

    def noted(writer, frame):
        written.append(frame.planes.samples)
        write(writer, frame)

    monkeypatch.setattr(SegmentWriter, 'write', noted)
    restore_crop(source, tmp_path / 'out.mp4', weights, batch_size=batch_size)
    monkeypatch.setattr(crop, 'read_ahead', lambda iterable, size: (item for item in iterable))
    monkeypatch.setattr(whole_video, 'write_behind', lambda write, size: nullcontext(write))
    restore_crop(source, tmp_path / 'plain.mp4', weights, batch_size=batch_size)
    assert len(written) == 24
    for ours, plain in zip(written[:12], written[12:]):
        assert all(map(np.array_equal, ours, plain))
    assert audio_packets(tmp_path / 'out.mp4') == audio_packets(tmp_path / 'plain.mp4')
    assert frame_times(tmp_path / 'out.mp4') == frame_times(tmp_path / 'plain.mp4')
    assert len(frame_times(tmp_path / 'out.mp4')) == 12


def test_a_few_frames_are_under_way(weights, tmp_path, monkeypatch):
    source = write_video(tmp_path / 'in.mp4', moving_frames(40, 32, 32), 25)
    read, write, under_way, most = VideoReader.__iter__, SegmentWriter.write, set(), []

    def counted_reading(reader):
        for index, frame in enumerate(read(reader)):
            under_way.add(index)
            most.append(len(under_way))
            yield frame

    def counted_writing(writer, frame):
        write(writer, frame)
        under_way.remove(min(under_way))

    monkeypatch.setattr(VideoReader, '__iter__', counted_reading)
    monkeypatch.setattr(SegmentWriter, 'write', counted_writing)
    restore_crop(source, tmp_path / 'out.mp4', weights, size=16)
    assert len(most) == 40 and max(most) <= 16 and not under_way


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_a_network_that_fails_leaves_the_output_as_it_was(source, weights, network, tmp_path, monkeypatch, error):
    def fail_at_the_fifth(module, inputs):
        calls.append(module)
        if len(calls) == 5:
            raise error('the network')

    calls, failing = [], copy.deepcopy(network)
    failing.encoder.conv_in.register_forward_pre_hook(fail_at_the_fifth)
    monkeypatch.setattr(loaded_network, 'load_network', lambda *args: failing)
    # However slow the machine is, no frame is kept: what is tested is the output.
    monkeypatch.setattr(segments, 'SECONDS_AT_RISK', math.inf)
    target = tmp_path / 'out' / 'out.mp4'
    target.parent.mkdir()
    target.write_bytes(b'earlier')
    with pytest.raises(error, match='the network'):
        restore_crop(source, target, weights)
    assert list(target.parent.iterdir()) == [target] and target.read_bytes() == b'earlier'


def test_a_video_that_changes_its_size_leaves_nothing_behind(weights, tmp_path):
    parts = [write_video(tmp_path / f'{width}.h264', moving_frames(20, width, 32), 25) for width in (32, 48)]
    source = tmp_path / 'in.h264'
    source.write_bytes(b''.join(part.read_bytes() for part in parts))
    (tmp_path / 'out').mkdir()
    with pytest.raises(UserError, match='in.h264 changes from 32x32 to 48x32 at frame 20'):
        restore_crop(source, tmp_path / 'out' / 'out.mp4', weights)
    assert not list((tmp_path / 'out').iterdir())


def keep_no_frames():
    """Keep nothing of an unfinished restoration in another process, however slow the machine is."""
    segments.SECONDS_AT_RISK = math.inf


@pytest.mark.timeout(120)
def test_a_full_disk_ends_it_in_one_line(weights, tmp_path):
    """The limit on a file's size stands for the end of the disk."""
    source = write_video(tmp_path / 'in.mp4', moving_frames(120, 128, 96), 25)
    command = Run(
        tmp_path,
        'restore',
        source,
        *CROP,
        '-o',
        'out/out.mp4',
        '--weights',
        weights,
        '--crf',
        0,
        '--size',
        16,
        limits={resource.RLIMIT_FSIZE: 2**16},
        before=keep_no_frames,
    )
    assert command.statuses() == [2]
    assert 'basicsr: cannot write out/out.mp4: File too large' in command.output()
    assert 'Traceback' not in command.output() and '120/120' not in command.output()
    assert not list((tmp_path / 'out').iterdir())


def leave_little_memory():
    """Let this process have one GB of address space more than it has."""
    with open('/proc/self/statm') as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_too_little_memory_ends_it_in_one_line(source, weights, tmp_path):
    command = Run(
        tmp_path,
        *('restore', source, '-o', 'out/out.mp4', '--weights', weights, '--size', 4096, '--device', 'cpu', *CROP),
        before=leave_little_memory,
    )
    assert command.statuses() == [2], command.output()
    assert 'basicsr: out of memory: less is needed with a lower --batch, a smaller --size' in command.output()
    assert 'Traceback' not in command.output()
    assert not list((tmp_path / 'out').iterdir())


def interrupt_at_the_fifth_frame():
    """Send Ctrl-C's signal to this process at a frame of its first segment, whatever the machine's speed."""
    keep_no_frames()
    write, written = SegmentWriter.write, []

    def interrupting(writer, frame):
        write(writer, frame)
        written.append(frame)
        if len(written) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    SegmentWriter.write = interrupting


@pytest.mark.timeout(120)
def test_ctrl_c_ends_it_with_nothing_half_written(weights, tmp_path):
    source = write_video(tmp_path / 'in.mp4', moving_frames(60, 64, 64), 25)
    command = Run(
        tmp_path,
        *('restore', source, '-o', 'out/out.mp4', '--weights', weights, *CROP),
        before=interrupt_at_the_fifth_frame,
    )
    assert command.statuses() == [130]
    assert 'Traceback' not in command.output() and '60/60' not in command.output()
    assert not list((tmp_path / 'out').iterdir())
