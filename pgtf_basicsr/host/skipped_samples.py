"""Tells of samples that a data set has left out as broken, whatever model trains on the others."""

from functools import wraps

from basicsr.utils import get_root_logger

__all__ = ['telling_left_out']


def telling_left_out(next_batch):
    """Let ``next`` of a prefetcher log what the batch's ``left_out`` says, with a count.

    Data sets work in processes of their own, whose log goes nowhere; the batch is the way to this one.  Ranks
    other than 0 log errors alone, so these are errors.
    """

    @wraps(next_batch)
    def wrapper(self):
        batch = next_batch(self)
        for messages in batch.get('left_out', ()) if isinstance(batch, dict) else ():
            for message in messages.splitlines():
                self.num_left_out = getattr(self, 'num_left_out', 0) + 1
                get_root_logger().error(
                    f'Left out, the next sample takes its place: {message} '
                    f'({self.num_left_out} left out by this process so far)'
                )
        return batch

    return wrapper
