"""CodeFormer and GFPGAN, built and loaded by spandrel: what their networks are called with.

A whole pass of each takes half a minute: `benchmarks/method_parity.py` compares results with spandrel's own.
"""

import pytest
import torch
from spandrel.architectures.GFPGAN import GFPGAN
from spandrel_extra_arches.architectures.CodeFormer import CodeFormer

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.methods import build_method

FRAME = torch.linspace(0, 1, 512).expand(3, 512, 512)
SMALL_CODEFORMER = dict(
    dim_embd=64, n_head=8, n_layers=1, codebook_size=16, latent_size=256, connect_list=['32'], fix_modules=[]
)


class CalledError(Exception):
    """The network was called; it need not compute."""


def call(method, frame):
    """The frame and the arguments that a method's network is called with."""
    called = {}

    def record(net, arguments, named):
        called.update(named, frame=arguments[0])
        raise CalledError

    handle = method.net.register_forward_pre_hook(record, with_kwargs=True)
    with pytest.raises(CalledError):
        list(method.restore([frame]))
    handle.remove()
    return called


@pytest.fixture(scope='module', params=['CodeFormer', 'GFPGAN'])
def network(request, tmp_path_factory):
    torch.manual_seed(0)
    net = CodeFormer(**SMALL_CODEFORMER) if request.param == 'CodeFormer' else GFPGAN()
    path = tmp_path_factory.mktemp('weights') / 'w.pth'
    torch.save({'params_ema': net.state_dict()}, path)
    return request.param, net, str(path)


def test_network_is_loaded_and_called_as_published(network):
    name, net, path = network
    options = {'fidelity': 0.25} if name == 'CodeFormer' else {}
    method = build_method({'type': name, 'weights': path, 'device': 'cpu', **options})
    assert not method.net.training and net.state_dict().keys() == method.net.state_dict().keys()
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in method.net.state_dict().items())
    called = call(method, FRAME)
    assert torch.allclose(called.pop('frame'), FRAME[None] * 2 - 1)
    expected = {'weight': 0.25} if name == 'CodeFormer' else {'return_rgb': False, 'randomize_noise': False}
    assert called == expected
    # Other sizes are resized to the network's; what is not square has no aligned face.
    assert torch.allclose(call(method, torch.ones(3, 64, 64))['frame'], torch.ones(1, 3, 512, 512))
    with pytest.raises(UserError, match=f'{name} restores square frames of an aligned face, not 640x360'):
        list(method.restore([torch.zeros(3, 360, 640)]))


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'w.pth')
    for name in ('CodeFormer', 'GFPGAN'):
        with pytest.raises(UserError, match=f'w.pth holds no weights of {name}: their tensors have other names'):
            build_method({'type': name, 'weights': str(tmp_path / 'w.pth')})
