"""Where restoration begins again, so that its results are those of a run that was never interrupted."""

import itertools

import pytest
import torch

from pgtf_basicsr.restoration.io.segments import first_frame_for
from pgtf_basicsr.restoration.streaming import run_windows


def results(frames, num_frames, stride, batch_size):
    """Something of each frame that depends on all frames of its windows, in order, and on its place in them."""
    powers = torch.tensor([10.0**place for place in range(num_frames)], dtype=torch.float64)

    def window_results(features, output_frames):
        windows = torch.tensor(features, dtype=torch.float64).view(-1, num_frames)
        sums = (windows * powers).sum(1, keepdim=True)
        return (sums + 0.1 * torch.arange(num_frames))[:, output_frames]

    tensors = [torch.full((1, 1, 1), float(frame)) for frame in frames]
    return [float(value) for value in run_windows(float, window_results, tensors, num_frames, stride, batch_size)]


@pytest.mark.parametrize('num_frames', [1, 2, 3, 5])
def test_results_from_a_frame_on_are_those_of_the_whole_video(num_frames):
    """For every length, stride, size of batches and frame, also one behind the last."""
    for count, stride, batch_size in itertools.product(range(1, 14), range(1, num_frames + 1), (1, 2, 3)):
        whole = results(range(1, count + 1), num_frames, stride, batch_size)
        assert len(whole) == count
        for frame in range(count + 1):
            begin = first_frame_for(frame, num_frames, stride, batch_size)
            # Batches have the same windows: in others, arithmetic may round otherwise.
            assert 0 <= begin <= frame and begin % (stride * batch_size) == 0
            found = results(range(begin + 1, count + 1), num_frames, stride, batch_size)
            case = (num_frames, count, stride, batch_size, frame)
            assert found[frame - begin :] == whole[frame:], case


def test_little_is_restored_twice():
    for num_frames, stride, batch_size in ((3, 1, 1), (3, 1, 8), (3, 3, 1), (5, 2, 4)):
        for frame in range(0, 1000, 100):
            begin = first_frame_for(frame, num_frames, stride, batch_size)
            assert frame - begin < num_frames + stride * batch_size
