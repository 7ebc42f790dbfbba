"""The streaming engine on a GPU against whole passes of the same network."""

import copy

import pytest
import torch

from pgtf_basicsr.archs.inference import for_inference, stream
from pgtf_basicsr.restoration.faces.windows import restore_crops
from pgtf_basicsr.restoration.streaming import restore_frames
from pgtf_basicsr.restoration.windows import sliding_windows

from ..helpers.closeness import decibels
from ..restoration.faces.test_windows import SPANS, by_frame, crops_of
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


@torch.no_grad()
def test_windows_of_several_faces_equal_those_of_each(net, device, measured):
    crops, options = crops_of(SPANS), fidelities(net)[0]
    net = for_inference(net)
    expected = [dict(zip(each, restore_frames(net, each.values(), device=device, **options))) for each in crops]
    for batch_size in (1, 3):
        results = list(restore_crops(stream(net, **options), by_frame(crops), SPANS, 1, batch_size, device))
        restored = [result.images[index] for result in results for index in sorted(result.images)]
        alone = [expected[index][number] for number, result in enumerate(results) for index in sorted(result.images)]
        assert len(restored) == sum(map(len, crops)) and all(image.device.type == 'cpu' for image in restored)
        name = f'faces, {batch_size} windows in dB'
        measured(name, decibels(torch.stack(restored), torch.stack(alone)), at_least=BOUND)
