"""The streaming engine against windows written out by hand."""
import pytest
import torch

from pgtf_basicsr.restoration.windows import restore_frames, sliding_windows


@pytest.mark.parametrize('frames, num_frames, windows', [
    ('abcd', 3, ['aab', 'abc', 'bcd', 'cdd']),
    ('abcd', 1, ['a', 'b', 'c', 'd']),
    ('abcd', 2, ['aa', 'ab', 'bc', 'cd']),
    ('abcd', 4, ['aaab', 'aabc', 'abcd', 'bcdd']),
    ('abcd', 5, ['aaabc', 'aabcd', 'abcdd', 'bcddd']),
    ('ab', 5, ['aaabb', 'aabbb']),
    ('a', 3, ['aaa']),
    ('', 3, []),
])
def test_windows_are_centred_and_repeat_the_edges(frames, num_frames, windows):
    assert [''.join(window) for window in sliding_windows(frames, num_frames)] == windows
    assert all(window[num_frames // 2] == frame for window, frame in zip(windows, frames))


def counted(frames, taken):
    for frame in frames:
        taken.append(frame)
        yield frame


@pytest.mark.parametrize('num_frames', [1, 2, 3, 4, 7])
def test_windows_take_no_frame_before_it_is_needed(num_frames):
    taken = []
    after = num_frames - 1 - num_frames // 2
    for index, _ in enumerate(sliding_windows(counted(range(20), taken), num_frames)):
        assert len(taken) == min(index + 1 + after, 20)


def test_restoring_takes_no_frame_before_it_is_needed():
    taken = []
    frames = counted(torch.rand(20, 3, 4, 4), taken)
    for index, _ in enumerate(restore_frames(lambda lq: lq, frames, 3, batch_size=4)):
        assert len(taken) <= index + 4 + 1


def numbered_frames(count):
    return [torch.full((3, 2, 2), float(index)) for index in range(count)]


@pytest.mark.parametrize('batch_size', [1, 2, 3, 100])
def test_restored_frames_come_from_the_middle_of_their_windows(batch_size):
    shapes = []

    def net(lq):
        shapes.append(tuple(lq.shape))
        return 100 * lq + lq.mean(dim=1, keepdim=True)

    restored = list(restore_frames(net, numbered_frames(5), 3, batch_size))
    neighbours = [1 / 3, 1, 2, 3, 11 / 3]
    assert [round(frame.mean().item(), 4) for frame in restored] == [
        round(100 * index + mean, 4) for index, mean in enumerate(neighbours)]
    assert all(frame.shape == (3, 2, 2) for frame in restored)
    assert all(shape[1:] == (3, 3, 2, 2) and shape[0] <= batch_size for shape in shapes)
    assert sum(shape[0] for shape in shapes) == 5


def test_restored_frames_are_ordinary_tensors_without_gradient():
    weight = torch.ones(1, requires_grad=True)
    frame = next(restore_frames(lambda lq: weight * lq, numbered_frames(3), 3))
    assert not frame.requires_grad and not frame.is_inference()
    frame.clamp_(0, 1)
    assert torch.is_grad_enabled()
