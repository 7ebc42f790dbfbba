"""Reports samples that a dataset has skipped as broken, whatever model trains on the others."""

from typing import Any

from basicsr.utils import get_root_logger

__all__ = ['SkippedSamples']


class SkippedSamples:
    """Logs and counts the samples that this process has skipped.

    Datasets work in processes of their own, whose log goes nowhere: the batch is the way to this one.
    """

    def __init__(self) -> None:
        self.count = 0

    def report(self, batch: Any) -> None:
        """Log what the batch's ``left_out`` says, a line a sample.

        Ranks other than 0 log errors alone, so these are errors.
        """
        for messages in batch.get('left_out', ()) if isinstance(batch, dict) else ():
            for message in messages.splitlines():
                self.count += 1
                get_root_logger().error(
                    f'Skipped, the next sample takes its place: {message} ({self.count} skipped by this process so far)'
                )
