"""A training iteration on a GPU against the same on the CPU, in fp32."""

import copy

import pytest
import torch

from ..helpers.closeness import largest_difference
from ..helpers.training_steps import batch, labelled_batch, make, make_parsing

pytestmark = pytest.mark.gpu

# Largest relative difference of a loss, and of a tensor: gradients, and what two steps of SGD make of networks.
LOSSES = 1e-4
GRADIENTS = 1e-2
STATES = 2e-3
# BatchNorm of few values makes much of rounding: it moves a gradient by as much as 6e-3 on a CPU alone.
PARSING_GRADIENTS = 3e-2
PARSING_STATES = 1e-2
# Plain: Adam's first steps are as large for the smallest of gradients as for the largest.
SGD = {'type': 'SGD', 'lr': 1e-2}


@pytest.fixture(autouse=True)
def same_draws(monkeypatch):
    """Codes restart at given latents: generators of CPU and GPU draw different ones."""

    def first_latents(latents, number):
        return latents[torch.arange(number, device=latents.device) % len(latents)]

    monkeypatch.setattr('pgtf_basicsr.archs.blocks.codebook.random_latents', first_latents)


def trained(model, data):
    """Losses of the first of two iterations, its gradients, and the networks after both."""
    gradients, step = {}, model.step_optimizers

    def noted(broken):
        if not gradients:
            nets = {'g': model.net_g, 'd': model.net_d} if model.net_d is not None else {'g': model.net_g}
            for label, net in nets.items():
                gradients.update(
                    (f'{label}.{n}', p.grad.clone()) for n, p in net.named_parameters() if p.grad is not None
                )
        step(broken)

    model.step_optimizers = noted
    losses = []
    for iteration in (1, 2):
        model.update_learning_rate(iteration)
        model.feed_data(data[iteration - 1])
        model.optimize_parameters(iteration)
        losses.append(dict(model.get_current_log()))
    assert model.guard.skipped == 0
    states = {f'g.{name}': tensor for name, tensor in model.net_g.state_dict().items()}
    states.update((f'ema.{name}', tensor) for name, tensor in model.net_g_ema.state_dict().items())
    if model.net_d is not None:
        states.update((f'd.{name}', tensor) for name, tensor in model.net_d.state_dict().items())
    floats = {name: tensor for name, tensor in states.items() if tensor.is_floating_point()}
    whole = {name: tensor.cpu() for name, tensor in states.items() if not tensor.is_floating_point()}
    return losses[0], gradients, floats, whole


def compare(models, data, device, measured, of_gradients=GRADIENTS, of_states=STATES):
    """Hold the model on the GPU, the second, against that on the CPU."""
    models = list(models)
    assert models[1].device.type == device.type
    start = copy.deepcopy(models[0].net_g.state_dict())
    assert all(torch.equal(start[name], tensor.cpu()) for name, tensor in models[1].net_g.state_dict().items())
    (expected, gradients, states, whole), (found, *on_gpu) = (trained(model, data) for model in models)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        difference = abs(found[name] - value) / max(abs(value), 1e-3)
        measured(name, difference, at_most=LOSSES if name.startswith('l_') else 20 * LOSSES)
    difference, name = largest_difference(on_gpu[0], gradients)
    measured(f'gradient of {name}', difference, at_most=of_gradients)
    difference, name = largest_difference(on_gpu[1], states)
    measured(f'after two steps {name}', difference, at_most=of_states)
    assert all(torch.equal(on_gpu[2][name], tensor) for name, tensor in whole.items())
    moved = [name for name in start if not torch.equal(start[name], models[0].net_g.state_dict()[name])]
    assert len(moved) > 10


@pytest.mark.parametrize('stage, fused', [(1, False), (2, False), (3, False), (4, False), (1, True), (3, True)])
def test_stages(stage, fused, weights, device, num_gpu, measured):
    changes = {'train:optim_g': SGD, 'train:ema_decay': 0.9}
    if stage != 2:
        changes['train:optim_d'] = SGD

    def started(num_gpu):
        kernels = {'train:fused_kernels': True} if fused and num_gpu else {}
        model = make(stage, weights, num_gpu, **changes, **kernels)
        generator = torch.Generator().manual_seed(0)
        for net in (model.net_g, model.net_g_ema):
            for regulator in getattr(net, 'regulators', {}).values():
                # At zero, as they start, they would let no gradient through.
                for layer in (regulator.scale[-1], regulator.shift[-1]):
                    layer.weight.data.copy_(0.05 * torch.randn(layer.weight.shape, generator=generator))
        return model

    compare(map(started, (0, num_gpu)), [batch(2, seed=1), batch(2, seed=2)], device, measured)


def test_face_parsing(device, num_gpu, measured):
    changes = {'train:optim_g': SGD, 'train:ema_decay': 0.9}
    data = [labelled_batch(4, seed, side=64) for seed in (1, 2)]
    models = (make_parsing(where, **changes) for where in (0, num_gpu))
    compare(models, data, device, measured, PARSING_GRADIENTS, PARSING_STATES)
