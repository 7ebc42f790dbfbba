import warnings

import lpips
import pytest
import torch
from torch.nn import functional as F

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.losses import LPIPSLoss, TemporalLPIPSLoss, VGGPerceptualLoss

from ..helpers.backbones import seeded_features

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@pytest.fixture(scope='module')
def alex(backbone_file):
    return LPIPSLoss('alex', backbone_file('alexnet'))


@pytest.fixture(scope='module')
def vgg(backbone_file):
    return LPIPSLoss('vgg', backbone_file('vgg16'))


@pytest.fixture
def videos():
    torch.manual_seed(0)
    return torch.rand(1, 3, 3, 40, 36), torch.rand(1, 3, 3, 40, 36)


def trunk_layers(trunk):
    """(torchvision's number, layer) of a network that lpips has cut into slices."""
    for index in range(trunk.N_slices):
        yield from getattr(trunk, f'slice{index + 1}').named_children()


def test_lpips_is_the_packages_own_on_frames_mapped_to_minus_one_to_one(alex, videos):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        reference = lpips.LPIPS(net='alex', pnet_rand=True, verbose=False)
    for number, layer in trunk_layers(reference.net):
        layer.load_state_dict(seeded_features('alexnet')[int(number)].state_dict())
    pred, target = (video[0] for video in videos)
    torch.testing.assert_close(alex(pred, target), reference(2 * pred - 1, 2 * target - 1).mean())


def test_lpips_backbone_is_the_files(vgg):
    for number, layer in trunk_layers(vgg.lpips.net):
        expected = seeded_features('vgg16')[int(number)].state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in layer.state_dict().items())


def test_videos_count_as_their_frames(alex, backbone_file, videos):
    for criterion in (alex, VGGPerceptualLoss({'relu1_2': 1.0}, backbone_file('vgg19', 4))):
        folded = criterion(*(video[0] for video in videos))
        torch.testing.assert_close(criterion(*videos), folded)


def test_temporal_lpips_adds_that_of_mapped_differences(alex, backbone_file, videos):
    criterion = TemporalLPIPSLoss(tgrad_weight=0.5, net='alex', weights=backbone_file('alexnet'))
    differences = [(video[:, 1:] - video[:, :-1] + 1) / 2 for video in videos]
    torch.testing.assert_close(criterion(*videos), alex(*videos) + 0.5 * alex(*differences))
    with pytest.raises(ValueError, match='T of 2 or more'):
        criterion(*(video[0] for video in videos))


def test_vgg_compares_features_of_normalised_frames(backbone_file, videos):
    pred, target = (video[0] for video in videos)
    criterion = VGGPerceptualLoss({'conv1_1': 2.0, 'relu2_1': 0.5}, backbone_file('vgg19', 7))
    features = seeded_features('vgg19', 7)
    expected = 0.0
    for depth, weight in ((1, 2.0), (7, 0.5)):
        compared = (features[:depth]((frames - MEAN) / STD) for frames in (pred, target))
        expected = expected + weight * F.mse_loss(*compared)
    torch.testing.assert_close(criterion(pred, target), expected)


@pytest.mark.parametrize('arch, depth', [('vgg19', 35), ('vgg16', 29)])
def test_vgg_compares_the_last_convolution_by_default(arch, depth, backbone_file):
    torch.manual_seed(0)
    pred, target = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    criterion = VGGPerceptualLoss(arch=arch, weights=backbone_file(arch))
    features = seeded_features(arch)[:depth]
    expected = F.mse_loss(*(features((frames - MEAN) / STD) for frames in (pred, target)))
    torch.testing.assert_close(criterion(pred, target), expected)


def test_backbones_stay_frozen_in_evaluation_mode(alex, backbone_file):
    for criterion in (alex, VGGPerceptualLoss({'conv1_1': 1.0}, backbone_file('vgg19', 1))):
        assert not any(parameter.requires_grad for parameter in criterion.parameters())
        assert criterion.train() is criterion
        assert not any(module.training for module in criterion.modules())


def test_frames_too_small_for_the_network_are_refused(alex, vgg, backbone_file):
    shallow = VGGPerceptualLoss({'relu2_1': 1.0}, backbone_file('vgg19', 7))
    for criterion, smallest in ((alex, 31), (vgg, 16), (shallow, 2)):
        pred, target = torch.zeros(1, 3, smallest, smallest), torch.ones(1, 3, smallest, smallest)
        assert criterion(pred, target) > 0
        with pytest.raises(ValueError, match=f'{smallest}×{smallest} pixels or more'):
            criterion(pred[..., 1:, :], target[..., 1:, :])


def test_frames_must_be_frames(alex):
    with pytest.raises(ValueError, match=r'\(N, C, H, W\) or \(B, T, C, H, W\)'):
        alex(torch.rand(3, 40, 36), torch.rand(3, 40, 36))


@pytest.mark.parametrize(
    'make, complaint',
    [
        (lambda: LPIPSLoss('resnet'), 'net must be one of vgg, alex, got resnet'),
        (lambda: VGGPerceptualLoss(arch='vgg11'), 'arch must be one of vgg19, vgg16, got vgg11'),
        (lambda: VGGPerceptualLoss({'conv9_9': 1.0}), 'vgg19 has no layer conv9_9'),
    ],
)
def test_unknown_names_are_the_users_mistake(make, complaint):
    with pytest.raises(UserError, match=complaint):
        make()
