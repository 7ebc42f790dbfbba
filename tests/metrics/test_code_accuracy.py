import pytest
import torch
from basicsr.metrics import calculate_metric

from pgtf_basicsr.config.metric_specification import specification_of
from pgtf_basicsr.metrics import calculate_code_accuracy

# Each row ranks the codes 2, 0, 1.
LOGITS = torch.tensor([2.0, 1.0, 3.0]).expand(1, 1, 2, 2, 3)
CODES = torch.tensor([2, 0, 1, 2]).view(1, 1, 2, 2)


@pytest.mark.parametrize('k, expected', [(1, 0.5), (2, 0.75), (3, 1.0)])
def test_share_of_codes_among_the_first_k(k, expected):
    assert calculate_code_accuracy(LOGITS, CODES, k=k) == expected


def test_against_ranks():
    """The share of codes above which fewer than k others are ranked."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, 8, generator=generator)
    codes = torch.randint(8, (2, 3, 4, 4), generator=generator)
    ranks = (logits > logits.gather(-1, codes[..., None])).sum(-1)
    first, fifth = (calculate_code_accuracy(logits, codes, k=k) for k in (1, 5))
    assert first == (ranks == 0).sum().item() / ranks.numel()
    assert fifth == (ranks < 5).sum().item() / ranks.numel()
    assert 0 < first < fifth < 1
    assert first == (logits.argmax(-1) == codes).double().mean().item() == calculate_code_accuracy(logits, codes)


def test_registered():
    options = {'type': 'calculate_code_accuracy', 'k': 2, 'better': 'higher'}
    assert calculate_metric({'logits': LOGITS, 'codes': CODES}, options) == 0.75
    assert specification_of({'type': 'calculate_code_accuracy'}).compares == 'codes'


def test_shapes_and_k_are_checked():
    with pytest.raises(ValueError, match='disagree'):
        calculate_code_accuracy(LOGITS, CODES[0])
    with pytest.raises(ValueError, match='k must be'):
        calculate_code_accuracy(LOGITS, CODES, k=4)
