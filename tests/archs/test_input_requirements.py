"""What networks say of the input that they accept."""

import pytest
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.input_requirements import InputRequirements


def test_the_published_network_takes_multiples_of_16():
    with torch.device('meta'):
        requirements = PGTFormer().requirements
    assert requirements == InputRequirements(num_frames=3, multiple_of=16)
    assert requirements.minimum == 32


@pytest.mark.parametrize(
    'height, width, accepted',
    [(512, 512, True), (512, 288, True), (16, 32, True), (16, 16, False), (512, 520, False), (8, 512, False)],
)
def test_sizes_are_multiples_that_make_two_latents(height, width, accepted):
    requirements = InputRequirements(num_frames=3, multiple_of=16)
    assert requirements.accepts(height, width) is accepted
    frame = torch.zeros(1, 3, height, width)
    if accepted:
        requirements.check_frame(frame, 'Net')
        requirements.check_clip(frame[:, None].expand(2, 3, -1, -1, -1), 'Net')
    else:
        with pytest.raises(ValueError, match=r'^Net cannot take a frame of shape .* it takes \(1, 3, H, W\) with H'):
            requirements.check_frame(frame, 'Net')


@pytest.mark.parametrize('length, expected', [(512, 512), (511.2, 512), (519, 512), (521, 528), (3, 0)])
def test_lengths_are_rounded_to_the_nearest_multiple(length, expected):
    assert InputRequirements(num_frames=3, multiple_of=16).nearest(length) == expected
