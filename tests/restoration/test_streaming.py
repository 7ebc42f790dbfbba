"""The streaming engine against whole passes, window by window."""

import weakref

import pytest
import torch

from pgtf_basicsr.archs import TSVQGAN, PGTFormer
from pgtf_basicsr.restoration.streaming import restore_frames, run_windows
from pgtf_basicsr.restoration.windows import sliding_windows

SMALL = dict(
    image_size=64, width=32, multipliers=(1, 1, 2), swin_levels=(16,), z_channels=32, codebook_size=32, codebook_dim=32
)
PREDICTOR = dict(predictor_width=32, predictor_layers=2, predictor_heads=4, predictor_mlp=32)


# Networks whose last exchange between frames is in a regulator, in a Swin layer, in the middle.
NETWORKS = {
    'regulators': lambda: PGTFormer(**SMALL, **PREDICTOR, tfr_levels=(32, 16)),
    'coarse regulator': lambda: PGTFormer(**SMALL, **PREDICTOR, tfr_levels=(16,)),
    'swin at the finest level': lambda: PGTFormer(**{**SMALL, 'swin_levels': (64, 16)}, **PREDICTOR, tfr_levels=(32,)),
    'swin in the middle alone': lambda: PGTFormer(**{**SMALL, 'swin_levels': ()}, **PREDICTOR, tfr_levels=(64, 16)),
    'five frames': lambda: PGTFormer(**SMALL, **PREDICTOR, num_frames=5, tfr_levels=(32, 16)),
    'autoencoder': lambda: TSVQGAN(**SMALL),
    'spatial regulators': lambda: PGTFormer(
        **SMALL, **PREDICTOR, predictor_position='learned', tfr_levels=(32, 16), tfr_temporal=False
    ),
    'no exchange': lambda: PGTFormer(**SMALL, **PREDICTOR, swin3d=False, predictor_attention='spatial', tfr_levels=()),
    'image autoencoder': lambda: TSVQGAN(**SMALL, swin3d=False),
}


@pytest.fixture(scope='module', params=NETWORKS)
def net(request):
    torch.manual_seed(0)
    net = NETWORKS[request.param]().eval()
    for parameter in net.parameters():
        # Regulators start without effect.
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return net


@pytest.fixture(scope='module')
def frames():
    return list(torch.rand(6, 3, 32, 48, generator=torch.Generator().manual_seed(0)))


@torch.no_grad()
def whole_pass(net, window, **options):
    out = net(torch.stack(window)[None], **options)
    return (out if isinstance(out, torch.Tensor) else out[0])[0]


def fidelities(net):
    return [dict(fidelity=1.0), dict(fidelity=0.3), dict(fidelity=0.0)] if isinstance(net, PGTFormer) else [{}]


def test_streaming_has_the_bits_of_whole_passes(net, frames):
    for options in fidelities(net):
        expected = [
            whole_pass(net, window, **options)[net.num_frames // 2]
            for window in sliding_windows(frames, net.num_frames)
        ]
        for batch_size in (1, 2):
            restored = list(restore_frames(net, frames, batch_size=batch_size, **options))
            assert torch.equal(torch.stack(restored), torch.stack(expected))


@pytest.mark.parametrize('count', [6, 10])
def test_windows_side_by_side_have_the_bits_of_whole_passes(net, frames, count):
    clip, options = (frames + frames)[:count], fidelities(net)[0]
    length = count // net.num_frames * net.num_frames
    restored = list(restore_frames(net, clip[:length], stride=net.num_frames, **options))
    expected = [
        whole_pass(net, clip[first : first + net.num_frames], **options) for first in range(0, length, net.num_frames)
    ]
    assert torch.equal(torch.stack(restored), torch.cat(expected))


@pytest.mark.parametrize('count', [1, 2, 4, 5])
@pytest.mark.parametrize('stride', [1, 2, 3])
def test_every_frame_is_restored(net, frames, count, stride):
    restored = list(restore_frames(net, frames[:count], stride=stride, batch_size=2))
    assert [frame.shape for frame in restored] == [(3, 32, 48)] * count


def test_each_frame_is_seen_by_itself_once(frames):
    seen = []

    def features(frame):
        seen.append(frame)
        return frame

    middle = run_windows(features, lambda window, output_frames: torch.cat(window)[None][:, output_frames], frames, 3)
    assert all(map(torch.equal, middle, frames))
    assert len(seen) == len(frames)


@pytest.mark.parametrize('stride', [1, 3])
def test_no_frame_is_taken_before_it_is_needed(frames, stride):
    taken = []

    def counted():
        for frame in frames * 3:
            taken.append(frame)
            yield frame

    def same(window, output_frames):
        return torch.cat(window).unflatten(0, (-1, 3))[:, output_frames]

    identity = run_windows(lambda frame: frame, same, counted(), 3, stride, batch_size=2)
    for index, _ in enumerate(identity):
        assert len(taken) <= index + 1 + (1 + stride) * 2 + 3


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_while_a_window_is_at_work_only_what_others_need_is_kept_beside(frames, stride):
    alive, kept = weakref.WeakSet(), []

    def features(frame):
        alive.add(feature := frame.clone())
        return feature

    def results(window, output_frames):
        result = torch.cat(window)[None][:, output_frames]
        window.clear()
        kept.append(len(alive))
        return result

    assert len(list(run_windows(features, results, frames, 3, stride))) == len(frames)
    assert set(kept[:-1]) == {2}


def test_restored_frames_are_ordinary_tensors_without_gradient(frames):
    weight = torch.ones(1, requires_grad=True)
    frame = next(
        run_windows(
            lambda frame: weight * frame,
            lambda window, output_frames: weight * torch.cat(window)[None][:, output_frames],
            frames,
            3,
        )
    )
    assert not frame.requires_grad and not frame.is_inference()
    assert torch.is_grad_enabled()


@pytest.mark.parametrize('stride', [0, 4])
def test_strides_must_fit(frames, stride):
    with pytest.raises(ValueError, match='stride must be from 1 to 3'):
        list(run_windows(lambda frame: frame, lambda window, output_frames: window, frames, 3, stride))
