"""How near a result comes to the one that was expected."""

import math

import torch


def decibels(found, expected):
    """Ratio of a tensor to its error, in dB: 20 for each digit that is right on average."""
    found, expected = (x.detach().cpu().double() for x in (found, expected))
    assert found.shape == expected.shape
    error = (found - expected).square().mean().item()
    return 10 * math.log10(expected.square().mean().item() / error) if error else math.inf


def largest_difference(found, expected):
    """Largest relative difference of tensors by name, and the name of that tensor.

    It is the norm of a difference over that of the tensor, to which a hundred thousandth of the norm of all is added:
    what is zero but for rounding, such as the gradient of a bias before a normalisation, has no relative error.
    """
    assert found.keys() == expected.keys()
    found, expected = ({name: x.detach().cpu().double() for name, x in of.items()} for of in (found, expected))
    whole = torch.stack([x.norm() for x in expected.values()]).norm()
    differences = {name: ((found[name] - x).norm() / (x.norm() + 1e-5 * whole)).item() for name, x in expected.items()}
    worst = max(differences, key=differences.get)
    return differences[worst], worst
