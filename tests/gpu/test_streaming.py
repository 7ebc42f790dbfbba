"""The streaming engine on a GPU against whole passes of the same network."""

import copy

import pytest
import torch

from pgtf_basicsr.archs.inference import for_inference
from pgtf_basicsr.restoration.streaming import restore_frames
from pgtf_basicsr.restoration.windows import sliding_windows

from ..helpers.closeness import decibels
from ..restoration.test_streaming import NETWORKS, fidelities, whole_pass

pytestmark = pytest.mark.gpu

# In dB. Windows of a batch are one matrix product, for which a library may choose another order of sums.
BOUND = 90


@pytest.fixture(params=NETWORKS)
def net(request, device):
    torch.manual_seed(0)
    net = NETWORKS[request.param]().eval()
    for parameter in net.parameters():
        # Regulators start without effect.
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return net.to(device)


@torch.no_grad()
def test_streaming_equals_whole_passes(net, device, measured):
    frames = list(torch.rand(6, 3, 32, 48, generator=torch.Generator().manual_seed(0)).to(device))
    options, length = fidelities(net)[0], net.num_frames
    for arrangement in ('plain', 'arranged'):
        if arrangement == 'arranged':
            net = for_inference(copy.deepcopy(net))
        middles = torch.stack(
            [whole_pass(net, window, **options)[length // 2] for window in sliding_windows(frames, length)]
        )
        for batch_size in (1, 4):
            restored = list(restore_frames(net, frames, batch_size=batch_size, device=device, **options))
            name = f'{arrangement}, {batch_size} windows in dB'
            measured(name, decibels(torch.stack(restored), middles), at_least=BOUND)
        whole = whole_pass(net, frames[:length], **options)
        restored = list(restore_frames(net, frames[:length], stride=length, device=device, **options))
        measured(f'{arrangement}, side by side in dB', decibels(torch.stack(restored), whole), at_least=BOUND)
        assert all(frame.device.type == 'cpu' for frame in restored)
