"""What training of the face parsing network changes and reports, in this process."""

import copy
import json

import numpy as np
import pytest
import torch
from facexlib.parsing.bisenet import BiSeNet
from torch.nn import functional as F

from pgtf_basicsr.archs import FaceParsingNet, PGTFormer
from pgtf_basicsr.checkpoints import load_weights, state_dict, write_checkpoint
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.models.parsing_scores import ParsingScores, color_labels, parsing_strip

from ..helpers.training_steps import labelled_batch as batch
from ..helpers.training_steps import make_parsing as make


def step(model, iteration=1, data=None):
    model.update_learning_rate(iteration)
    model.feed_data(data or batch(seed=iteration))
    model.optimize_parameters(iteration)


def test_everything_learns_and_stays_finite():
    model = make()
    before = copy.deepcopy(model.net_g.state_dict())
    step(model)
    after = model.net_g.state_dict()
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    log = model.get_current_log()
    assert {'l_main', 'l_context8', 'l_context16', 'pixel_accuracy'} <= set(log)
    assert np.isfinite(list(log.values())).all()


def test_the_loss_is_of_all_three_heads():
    plain = {'train:parsing_opt': {'type': 'OhemCrossEntropyLoss', 'min_share': 1.0}}
    model = make(**plain, **{'train:auxiliary_weight': 0.5})
    data = batch()
    heads = copy.deepcopy(model.net_g)(data['image'])
    step(model, data=data)
    for name, logits, weight in zip(('l_main', 'l_context8', 'l_context16'), heads, (1, 0.5, 0.5)):
        expected = weight * F.cross_entropy(logits, data['mask'])
        assert model.get_current_log()[name] == pytest.approx(expected.item(), rel=1e-4)


def test_a_step_that_goes_wrong_leaves_no_trace():
    model = make()
    step(model)
    before = copy.deepcopy(model.net_g.state_dict())
    data = batch()
    data['image'][0, 0, 0, 0] = float('nan')
    step(model, 2, data)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.net_g.state_dict().items())


def test_frozen_parts_rest():
    model = make(**{'train:frozen': ['cp']})
    before = copy.deepcopy(model.net_g.state_dict())
    step(model)
    moved = {
        name.split('.')[0] for name, tensor in model.net_g.state_dict().items() if not torch.equal(before[name], tensor)
    }
    assert moved == {'ffm', 'conv_out', 'conv_out16', 'conv_out32'}


def test_backbone_starts_from_torchvisions_file(tmp_path):
    from torchvision.models import resnet18

    torch.manual_seed(5)
    weights = resnet18().state_dict()
    torch.save({name: tensor for name, tensor in weights.items() if 'num_batches' not in name}, tmp_path / 'resnet.pth')
    resnet = make(**{'path:pretrain_network_backbone': str(tmp_path / 'resnet.pth')}).net_g.cp.resnet.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in resnet.items())
    torch.save({'conv1.weight': weights['conv1.weight']}, tmp_path / 'resnet.pth')
    with pytest.raises(UserError, match='resnet.pth does not fit ResNet18: missing: bn1.weight'):
        make(**{'path:pretrain_network_backbone': str(tmp_path / 'resnet.pth')})


def test_weights_are_those_of_stage_2(tmp_path):
    """What is saved fits PGTFormer's face parsing network, and so do facexlib's own names."""
    model = make(**{'train:ema_decay': 0.5})
    step(model)
    write_checkpoint(tmp_path / 'net_g.pth', model.network_files(1)['net_g'])
    facexlibs = BiSeNet(19)
    torch.save(facexlibs.state_dict(), tmp_path / 'parsing_bisenet.pth')
    for name, expected in (('net_g.pth', model.net_g_ema), ('parsing_bisenet.pth', facexlibs)):
        parsing_net = FaceParsingNet()
        load_weights(parsing_net, state_dict(tmp_path / name), name)
        assert all(torch.equal(expected.state_dict()[key], tensor) for key, tensor in parsing_net.state_dict().items())
    assert (
        parsing_net.state_dict().keys()
        == PGTFormer(
            image_size=32,
            width=32,
            multipliers=(1, 1, 2),
            swin_levels=(8,),
            num_heads=4,
            z_channels=64,
            codebook_size=32,
            codebook_dim=64,
            predictor_width=64,
            predictor_layers=1,
            predictor_heads=4,
            predictor_mlp=64,
            tfr_levels=(8,),
        )
        .parsing_net.state_dict()
        .keys()
    )
    # facexlib's weights can also be gone on from.
    model = make(**{'path:pretrain_network_g': str(tmp_path / 'parsing_bisenet.pth')})
    assert torch.equal(model.net_g.conv_out.conv_out.weight, facexlibs.conv_out.conv_out.weight)


class Pictures:
    """A validation set of two pictures."""

    opt = {'name': 'two'}
    items = [
        {'image': item['image'][0], 'mask': item['mask'][0], 'key': str(seed)}
        for seed in (0, 1)
        for item in [batch(1, seed)]
    ]

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.items[index]


def test_scores_of_a_test_are_of_all_pixels(tmp_path):
    model = make(is_train=False)
    model.opt['path'].update(results_root=str(tmp_path), visualization=str(tmp_path / 'pictures'))
    model.validate(Pictures(), 7, None, save_img=True)
    found = json.loads((tmp_path / 'metrics_two.json').read_text())
    with torch.no_grad():
        labels = [model.net_g(item['image'][None])[0].argmax(1)[0] for item in Pictures.items]
    prediction, truth = torch.stack(labels), torch.stack([item['mask'] for item in Pictures.items])
    assert found['mean']['pixel_accuracy']['predicted'] == pytest.approx((prediction == truth).double().mean().item())
    most = truth.flatten().bincount().max().item()
    assert found['mean']['pixel_accuracy']['majority'] == pytest.approx(most / truth.numel())
    pairs = [(prediction == label, truth == label) for label in range(19)]
    ious = [((mine & true).sum() / (mine | true).sum()).item() for mine, true in pairs]
    assert found['iou_of_class'] == pytest.approx(ious)
    assert found['mean']['mean_iou'] == pytest.approx(
        {'predicted': np.mean(ious), 'majority': most / truth.numel() / 19}
    )
    assert sorted(path.name for path in tmp_path.glob('pictures/two/*/*')) == ['strip_7.png', 'strip_7.png']


def test_the_best_score_is_kept():
    model = make()
    for iteration, mask in ((1, 1), (2, 3)):
        scores = ParsingScores('two', 19)
        scores.add(np.array([[1, 1]]), np.array([[1, mask]]))
        model.report(scores, 'two', iteration, None)
    assert model.best_metric_results['two']['mean_iou'] == {'better': 'higher', 'val': 1.0, 'iter': 1}


def test_a_resumed_run_may_have_more_metrics():
    model = make()
    model.best_metric_results['two'] = {'mean_iou': {'better': 'higher', 'val': 0.9, 'iter': 4}}
    scores = ParsingScores('two', 19)
    scores.add(np.array([[1, 1]]), np.array([[1, 3]]))
    model.report(scores, 'two', 5, None)
    best = model.best_metric_results['two']
    assert best['mean_iou'] == {'better': 'higher', 'val': 0.9, 'iter': 4}
    assert best['pixel_accuracy'] == {'better': 'higher', 'val': 0.5, 'iter': 5}


def test_classes_that_are_nowhere_are_no_numbers():
    scores = ParsingScores('data', 4)
    scores.add(np.array([[1, 1]]), np.array([[1, 2]]))
    assert scores.as_dict()['iou_of_class'] == [None, 0.5, 0.0, None]
    assert scores.gathered().means() == scores.means() and len(scores.gathered()) == 1


def test_pictures_of_labels():
    colors = color_labels(np.arange(19)[np.newaxis], 19)[0]
    assert len(np.unique(colors, axis=0)) == 19 and colors[0].tolist() == [0, 0, 0]
    labels = np.zeros((4, 6), int)
    assert parsing_strip(np.zeros((4, 6, 3), np.uint8), labels, labels, 19).shape == (4, 18, 3)
