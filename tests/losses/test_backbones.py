import copy

import pytest
import torch
from safetensors.torch import save_file

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.losses import LPIPSLoss, VGGPerceptualLoss
from pgtf_basicsr.losses.backbones import load_backbone

from ..helpers.backbones import seeded_features, torchvision_names

NAME = 'vgg19-dcbb9e9d.pth'


@pytest.fixture
def features():
    """Two convolutions with weights that no file holds."""
    layers = copy.deepcopy(seeded_features('vgg19', 3))
    for parameter in layers.parameters():
        torch.nn.init.constant_(parameter, 7)
    return layers


def assert_seeded(features):
    expected = seeded_features('vgg19', 3).state_dict()
    for name, value in features.state_dict().items():
        assert torch.equal(value, expected[name]), name


def with_prefix():
    return torchvision_names(seeded_features('vgg19', 3))


def without_prefix():
    return seeded_features('vgg19', 3).state_dict()


@pytest.mark.parametrize('names', [with_prefix, without_prefix])
@pytest.mark.parametrize('filename, save', [('w.pth', torch.save), ('w.safetensors', save_file)])
def test_reads_both_formats_and_both_names(names, filename, save, features, tmp_path):
    save({**names(), 'classifier.0.weight': torch.zeros(2)}, tmp_path / filename)
    load_backbone(features, str(tmp_path / filename), NAME)
    assert_seeded(features)


def test_takes_the_hub_cache_when_no_file_is_named(features, empty_hub):
    empty_hub.mkdir(parents=True)
    torch.save(with_prefix(), empty_hub / NAME)
    load_backbone(features, None, NAME)
    assert_seeded(features)


@pytest.mark.parametrize(
    'make, filename',
    [
        (lambda: LPIPSLoss('alex'), 'alexnet-owt-7be5be79.pth'),
        (lambda: VGGPerceptualLoss(), NAME),
        (lambda: VGGPerceptualLoss(arch='vgg16'), 'vgg16-397923af.pth'),
    ],
)
def test_says_where_the_cached_file_would_lie(make, filename, empty_hub):
    with pytest.raises(UserError) as error:
        make()
    assert str(empty_hub / filename) in str(error.value)
    assert '`weights`' in str(error.value)


def assert_one_line(error, *parts):
    message = str(error.value)
    assert '\n' not in message
    for part in parts:
        assert part in message


def test_missing_file_is_named(features, tmp_path, empty_hub):
    with pytest.raises(UserError) as error:
        load_backbone(features, tmp_path / 'absent.pth', NAME)
    assert_one_line(error, str(tmp_path / 'absent.pth'), str(empty_hub / NAME))


def test_weights_of_another_network_are_named(features, tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'features.0.weight': torch.zeros(64, 3, 11, 11), 'features.0.bias': torch.zeros(64)}, path)
    with pytest.raises(UserError) as error:
        load_backbone(features, path, NAME)
    assert_one_line(
        error,
        str(path),
        NAME,
        'no features.2.weight',
        'no features.2.bias',
        'features.0.weight is (64, 3, 11, 11) instead of (64, 3, 3, 3)',
    )
    assert (features[0].weight == 7).all()  # nothing was loaded in part


@pytest.mark.parametrize(
    'filename, content',
    [
        ('text.pth', b'not weights'),
        ('text.safetensors', b'not weights'),
        ('empty.pth', b''),
        ('empty.safetensors', b''),
        ('cut.pth', b'PK\x03\x04cut short'),
    ],
)
def test_unreadable_file_is_named(filename, content, features, tmp_path):
    path = tmp_path / filename
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_backbone(features, path, NAME)
    assert_one_line(error, str(path), 'cannot be read')


class Surprise:
    """Pickles as a call, as a malicious file would."""

    def __reduce__(self):
        return print, ('executed',)


@pytest.mark.parametrize(
    'content, complaint',
    [(Surprise(), 'cannot be read'), (torch.zeros(3), 'no tensors by name'), ({'epoch': 3}, 'no tensors by name')],
)
def test_only_named_tensors_are_accepted(content, complaint, features, tmp_path, capsys):
    path = tmp_path / 'odd.pth'
    torch.save(content, path)
    with pytest.raises(UserError) as error:
        load_backbone(features, path, NAME)
    assert_one_line(error, str(path), complaint)
    assert 'executed' not in capsys.readouterr().out
