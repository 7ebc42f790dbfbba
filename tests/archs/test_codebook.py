"""Updates of the codebook."""

import torch

from pgtf_basicsr.archs.blocks import Codebook


def test_nearest_is_the_smallest_euclidean_distance():
    torch.manual_seed(0)
    codebook = Codebook(50, 8).eval()
    latents = torch.randn(2, 3, 4, 5, 8)
    expected = torch.cdist(latents.reshape(-1, 8), codebook.weight).argmin(1).view(2, 3, 4, 5)
    assert torch.equal(codebook.nearest(latents), expected)


def test_gradient_goes_straight_through():
    codebook = Codebook(10, 4).eval()
    latents = torch.randn(6, 4, requires_grad=True)
    quantised, commitment_loss, codes = codebook(latents)
    weights = torch.randn(6, 4)
    (quantised * weights).sum().backward()
    torch.testing.assert_close(latents.grad, weights)
    expected = (latents - codebook.weight[codes]).square().mean()
    torch.testing.assert_close(commitment_loss, expected)
    latents.grad = None
    commitment_loss.backward()
    torch.testing.assert_close(latents.grad, 2 * (latents - codebook.weight[codes]).detach() / latents.numel())


def test_evaluation_changes_no_code():
    codebook = Codebook(10, 4).eval()
    before = {name: tensor.clone() for name, tensor in codebook.state_dict().items()}
    codebook(torch.randn(6, 4))
    assert all(torch.equal(before[name], tensor) for name, tensor in codebook.state_dict().items())


def test_first_step_takes_codes_from_data():
    torch.manual_seed(0)
    latents = 10 + torch.randn(64, 4)
    codebook = Codebook(16, 4)
    codebook(latents)
    # Every code restarted: each is one of the latents, all different.
    distances = (codebook.weight[:, None] - latents).norm(dim=2)
    assert (distances.min(1).values < 0.05).all()
    assert len(distances.argmin(1).unique()) == 16


def test_fewer_latents_than_codes_are_tiled_with_noise():
    torch.manual_seed(0)
    latents = torch.randn(5, 4)
    codebook = Codebook(16, 4)
    codebook(latents)
    distances = (codebook.weight[:, None] - latents).norm(dim=2)
    assert (distances.min(1).values < 0.2).all()
    assert len(codebook.weight.unique(dim=0)) == 16
    assert set(distances.argmin(1).tolist()) == set(range(5))


def test_learns_the_centres_of_clusters():
    """With one code a cluster and no noise in the assignment the codes become the clusters' means (k-means)."""
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    codebook = Codebook(3, 2, decay=0.9, restart=False)
    codebook.weight.copy_(centres + 1)
    codebook.code_size.fill_(1)
    codebook.code_sum.copy_(codebook.weight)
    for _ in range(200):
        codebook(centres.repeat_interleave(100, 0) + 0.5 * torch.randn(300, 2))
    torch.testing.assert_close(codebook.weight, centres, rtol=0, atol=0.1)
