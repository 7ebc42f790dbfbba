"""What one training iteration of each stage changes, in this process."""

import copy

import pytest
import torch

import pgtf_basicsr  # noqa: F401
from pgtf_basicsr.checkpoints import write_checkpoint
from pgtf_basicsr.errors import UserError

from ..helpers.synchronisation import recorded_waits
from ..helpers.training_steps import batch, make


def moved(model, iterations=2):
    """Modules of network_g whose parameters or buffers change in some iterations.

    Two of them: the regulators' last layers start at zero, and all before them has no gradient until they have moved.
    """
    before = copy.deepcopy(model.net_g.state_dict())
    for i in range(1, iterations + 1):
        model.update_learning_rate(i)
        model.feed_data(batch(seed=i))
        model.optimize_parameters(i)
    after = model.net_g.state_dict()
    return {name.split('.')[0] for name in before if not torch.equal(before[name], after[name])}


def test_stage_1_moves_everything(weights):
    model = make(1, weights)
    assert moved(model) == {'encoder', 'to_latents', 'codebook', 'from_latents', 'decoder'}


@pytest.mark.parametrize(
    'stage, expected',
    [
        (2, {'encoder', 'to_latents', 'predictor', 'parsing_net'}),
        (3, {'encoder', 'to_latents', 'predictor', 'regulators'}),
        (4, {'encoder', 'to_latents', 'predictor', 'regulators'}),
    ],
)
def test_each_stage_moves_what_the_paper_says(weights, stage, expected):
    model = make(stage, weights)
    teacher = copy.deepcopy(model.teacher.state_dict())
    assert moved(model) == expected
    assert all(torch.equal(teacher[name], tensor) for name, tensor in model.teacher.state_dict().items())


def test_parsing_network_rests_in_stage_2_when_its_weights_are_given(weights):
    model = make(2, weights, **{'path:pretrain_network_parsing': str(weights / 'parsing.pth')})
    given = torch.load(weights / 'parsing.pth', weights_only=True)
    assert moved(model) == {'encoder', 'to_latents', 'predictor'}
    assert all(torch.equal(given[name], tensor) for name, tensor in model.net_g.parsing_net.state_dict().items())


def test_frozen_option_overrides_the_stage(weights):
    model = make(
        3,
        weights,
        **{
            'train:frozen': ['encoder', 'to_latents', 'from_latents', 'codebook', 'decoder', 'parsing_net', 'predictor']
        },
    )
    assert moved(model) == {'regulators'}
    with pytest.raises(UserError, match='train.frozen names decodr, but network_g has: encoder'):
        make(3, weights, **{'train:frozen': ['decodr']})


def test_stage_2_starts_from_the_autoencoder_of_stage_1(weights):
    model = make(2, weights)
    clip = batch()['gt']
    assert torch.equal(model.net_g.eval().encode_codes(clip), model.teacher.encode_codes(clip))


@pytest.mark.parametrize('stage', [1, 3])
def test_discriminator_learns_from_its_first_iteration_on(weights, stage):
    model = make(stage, weights, **{'train:net_d_start_iter': 2})
    before = copy.deepcopy(model.net_d.state_dict())
    moved(model, iterations=1)
    assert 'l_g_gan' not in model.get_current_log()
    assert all(torch.equal(before[name], tensor) for name, tensor in model.net_d.state_dict().items())
    model.feed_data(batch())
    model.optimize_parameters(2)
    log = model.get_current_log()
    assert {'l_g_gan', 'd_weight', 'l_d_real', 'l_d_fake'} <= set(log)
    assert not torch.equal(before['main.0.weight'], model.net_d.state_dict()['main.0.weight'])


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_losses_and_parameters_stay_finite(weights, stage, precision):
    model = make(stage, weights, **{'train:precision': precision})
    moved(model)
    assert all(torch.isfinite(torch.tensor(value)) for value in model.get_current_log().values())
    assert all(torch.isfinite(tensor).all() for tensor in model.net_g.state_dict().values())


def test_bf16_computes_nearly_what_fp32_does(weights):
    losses = []
    for precision in ('fp32', 'bf16'):
        model = make(3, weights, **{'train:precision': precision})
        moved(model, iterations=1)
        losses.append(model.get_current_log())
    assert losses[0]['l_g_pix'] != losses[1]['l_g_pix']
    for name in ('l_g_pix', 'l_code', 'l_feature'):
        assert losses[1][name] == pytest.approx(losses[0][name], rel=0.1)


def test_fp16_is_refused_on_the_cpu(weights):
    with pytest.raises(UserError, match='fp16 is not supported on cpu: choose one of fp32, bf16'):
        make(2, weights, **{'train:precision': 'fp16'})


def test_loss_scaling_waits_for_the_discriminator(weights):
    """The scaler of mixed precision, here on the CPU, refuses to step most optimisers without gradients."""
    model = make(3, weights, **{'train:net_d_start_iter': 2, 'train:optim_d': {'type': 'RMSprop', 'lr': 1e-3}})
    model.scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    before = copy.deepcopy(model.net_d.state_dict())
    assert 'regulators' in moved(model, iterations=1)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.net_d.state_dict().items())
    model.feed_data(batch(seed=2))
    model.optimize_parameters(2)
    assert not torch.equal(before['main.0.weight'], model.net_d.state_dict()['main.0.weight'])


def test_accumulated_gradients_are_those_of_one_batch(weights):
    """Two iterations of one clip and one iteration of both make the same step, without batch statistics."""
    sgd = {'train:optim_g': {'type': 'SGD', 'lr': 1.0}, 'path:pretrain_network_parsing': str(weights / 'parsing.pth')}
    both = batch(2)
    whole = make(2, weights, **sgd)
    whole.feed_data(both)
    whole.optimize_parameters(1)

    parts = make(2, weights, **sgd, **{'train:accumulate_iters': 2})
    before = copy.deepcopy(parts.net_g.state_dict())
    for i in (0, 1):
        parts.feed_data({key: value[i : i + 1] for key, value in both.items()})
        parts.optimize_parameters(i + 1)
        if i == 0:
            assert all(torch.equal(before[name], tensor) for name, tensor in parts.net_g.state_dict().items())
    for name, tensor in whole.net_g.state_dict().items():
        torch.testing.assert_close(parts.net_g.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


def test_checkpointing_makes_the_same_step(weights):
    states = []
    for enabled in (False, True):
        # Not Adam, whose first step is as large for the smallest of gradients: those of frames are summed up in another
        # order.
        model = make(
            3, weights, **{'train:activation_checkpointing': enabled, 'train:optim_g': {'type': 'SGD', 'lr': 1.0}}
        )
        moved(model, iterations=1)
        states.append(model.net_g.state_dict())
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-4, atol=1e-5)


def test_fused_kernels_need_a_gpu(weights):
    with pytest.raises(UserError, match='^train.fused_kernels needs a GPU, which is not there: set it to false$'):
        make(3, weights, **{'train:fused_kernels': True})


def gradients_of_stage_3(weights, enabled):
    """Gradients of the first iteration, and how often some modules have run in it."""
    model = make(3, weights, **{'train:activation_checkpointing': enabled})
    net = model.net_g
    for regulator in net.regulators.values():
        # At zero, as they start, they would let no gradient through.
        torch.nn.init.normal_(regulator.scale[-1].weight, std=0.05)
        torch.nn.init.normal_(regulator.shift[-1].weight, std=0.05)
    runs = {}
    for name in (
        'encoder.levels.0.blocks.0',
        'predictor.layers.0',
        'decoder.levels.0.blocks.0',
        'regulators.16',
        'decoder.norm_out',
    ):
        # Before, because computing again stops as soon as it has what it needs.
        net.get_submodule(name).register_forward_pre_hook(
            lambda *_, name=name: runs.update({name: runs.get(name, 0) + 1})
        )
    model.step_optimizers = lambda broken: None
    model.feed_data(batch())
    model.optimize_parameters(1)
    return {name: p.grad for name, p in net.named_parameters() if p.grad is not None}, runs


def test_checkpointing_recomputes_what_is_large_and_changes_no_gradient(weights):
    kept, once = gradients_of_stage_3(weights, False)
    recomputed, more_often = gradients_of_stage_3(weights, True)
    assert {name.split('.')[0] for name in kept} == {'encoder', 'to_latents', 'predictor', 'regulators'}
    assert recomputed.keys() == kept.keys()
    for name, gradient in kept.items():
        assert gradient.any(), name
        torch.testing.assert_close(
            recomputed[name], gradient, rtol=1e-4, atol=1e-7, msg=lambda text, name=name: f'{name}: {text}'
        )
    assert len(once) == 5 and set(once.values()) == {1}
    assert all(runs > 1 for runs in more_often.values()) and more_often.keys() == once.keys()


@pytest.mark.parametrize('checkpointing', [False, True])
def test_what_is_frozen_takes_no_part_in_the_backward_pass(weights, checkpointing):
    model = make(3, weights, **{'train:activation_checkpointing': checkpointing})
    frozen = [getattr(model.net_g, name) for name in ('codebook', 'from_latents', 'decoder', 'parsing_net')]
    results = {}

    def note(name, module):
        module.register_forward_hook(lambda module, inputs, output: results.update({name: output}))

    note('parsing', model.net_g.parsing_net.conv_out32)
    note('before the coarsest regulator', model.net_g.decoder.levels[-1].blocks[-1])
    note('after it', model.net_g.decoder.levels[0].blocks[-1].norm1)
    note('teacher', model.teacher.to_latents)
    note('decoder of the teacher', model.teacher.decoder)
    moved(model)
    assert 'decoder of the teacher' not in results
    assert not results['parsing'][0].requires_grad and not results['teacher'].requires_grad
    assert not results['before the coarsest regulator'].requires_grad and results['after it'].requires_grad
    model.step_optimizers = lambda broken: None
    model.feed_data(batch(seed=3))
    model.optimize_parameters(3)
    for module in (*frozen, model.teacher):
        assert not any(part.training for part in module.modules())
        assert all(p.grad is None and not p.requires_grad for p in module.parameters())
    assert all(p.grad is not None for p in model.net_g.predictor.parameters())


def test_what_does_not_learn_is_written_once(weights, tmp_path):
    """It is the same in params and params_ema."""
    model = make(3, weights)
    moved(model)
    write_checkpoint(tmp_path / 'net_g.pth', model.network_files(2)['net_g'])
    read = torch.load(tmp_path / 'net_g.pth', weights_only=True)
    for key, net in (('params', model.net_g), ('params_ema', model.net_g_ema)):
        state = net.state_dict()
        assert read[key].keys() == state.keys() and all(torch.equal(read[key][name], state[name]) for name in state)
    tensors = model.net_g.state_dict().values()
    learning = [parameter for parameter in model.net_g.parameters() if parameter.requires_grad]
    once = sum(x.nbytes for x in (*tensors, *learning))
    assert once < (tmp_path / 'net_g.pth').stat().st_size < 1.02 * once < 1.2 * sum(x.nbytes for x in tensors)


@pytest.mark.parametrize(
    'changes', [{}, {'train:activation_checkpointing': True, 'train:precision': 'bf16'}, {'train:accumulate_iters': 2}]
)
@pytest.mark.parametrize('scaling', [False, True])
@pytest.mark.parametrize('stage', [1, 2, 3, 4])
def test_an_iteration_does_not_wait_for_the_gpu(weights, stage, changes, scaling):
    """It reads nothing but flags of the iteration before, of which the copy is on the host by then."""
    model = make(stage, weights, **changes)
    if scaling:
        model.scaler = torch.amp.GradScaler('cpu', init_scale=4.0)
    moved(model)
    data = [batch(seed=3), batch(seed=4)]
    for iteration in (3, 4):
        flags = model.pending_step.flags
        with recorded_waits() as waits:
            model.update_learning_rate(iteration)
            model.feed_data(data.pop())
            model.optimize_parameters(iteration)
        assert [name for name, tensor in waits if tensor is not flags] == []
        assert [name for name, _ in waits] == ['tolist']
    with recorded_waits() as waits:
        model.get_current_log()
    assert 'item' in [name for name, _ in waits]


def test_what_would_wait_is_found():
    """Each of these lets CUDA wait; the recorder of the test above knows them on the CPU as well."""
    x = torch.arange(4.0)
    culprits = [
        lambda: x.sum().item(),
        lambda: bool(x.any()),
        lambda: float(x[1]),
        lambda: x.tolist(),
        lambda: x.cpu(),
        lambda: x.to('cpu'),
        lambda: x[x > 1],
        lambda: x.masked_select(x > 1),
        lambda: x.nonzero(),
        lambda: x.unique(),
        lambda: x.clone().__setitem__(x > 1, 0.0),
        lambda: torch.bincount(x.long()),
        lambda: torch.tensor(1.0),
    ]
    for number, culprit in enumerate(culprits):
        with recorded_waits() as waits:
            culprit()
        assert waits, number
    with recorded_waits() as waits:
        x.where(x > 1, x.new_zeros(())), x.masked_fill(x > 1, 0), x[x.long()], torch.full((), True), x[1:].sum()
        x.to('cpu', non_blocking=True)
    assert waits == []


def test_ema_follows_parameters_and_takes_buffers_over(weights):
    model = make(1, weights, **{'train:ema_decay': 0.9})
    name = 'decoder.conv_out.weight'
    start = model.net_g_ema.state_dict()[name].clone()
    expected = start
    for i in (1, 2, 3):
        model.feed_data(batch(seed=i))
        model.optimize_parameters(i)
        expected = 0.9 * expected + 0.1 * model.net_g.state_dict()[name]
    torch.testing.assert_close(model.net_g_ema.state_dict()[name], expected)
    assert not torch.equal(expected, start)
    assert torch.equal(model.net_g_ema.codebook.weight, model.net_g.codebook.weight)
    assert torch.equal(model.net_g_ema.codebook.code_size, model.net_g.codebook.code_size)


def test_window_length_of_data_and_network_must_agree(weights):
    with pytest.raises(UserError, match='datasets.train.num_frame is 5, but network_g.num_frames is 3'):
        make(1, weights, **{'datasets:train:num_frame': 5})


def test_loss_without_a_weights_file_is_left_out(weights):
    assert make(3, weights).cri_perceptual is None


def test_stage_2_refuses_losses_of_pixels(weights):
    with pytest.raises(UserError, match='stage 2 does not run the decoder'):
        make(2, weights, **{'train:pixel_opt': {'type': 'L1Loss'}})


def test_training_that_ends_early_is_no_success(weights, tmp_path):
    """BasicSR's loop ends quietly where the loader gives no more; the final save does not."""
    model = make(1, weights, **{'train:total_iter': 3})
    model.opt['path']['experiments_root'] = str(tmp_path)
    moved(model, iterations=2)
    with pytest.raises(UserError, match='training ended after 2 of 3 iterations'):
        model.save(-1, -1)
    assert list(tmp_path.iterdir()) == []
