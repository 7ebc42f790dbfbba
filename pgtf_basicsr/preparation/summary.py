"""Summary of a prepared folder in a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.clips import Clip
from .layout import REPORT_FILE, Layout
from .report import Note
from .splits import TRAIN, VAL

__all__ = ['Summary', 'counted']


@dataclass(frozen=True)
class Summary:
    """Counts of a prepared folder.

    Attributes:
        root (Path): The folder.
        train_clips (int): Clips to train on.
        train_frames (int): Frames to train on.
        val_clips (int): Clips held out.
        identities (int): Identities of both splits.
        interpolated (int): Frames with interpolated landmarks.
        notes (int): Lines of the report.
        source (str): What a source is called: clip or video.
        skipped (int): Sources without any clip.
    """

    root: Path
    train_clips: int
    train_frames: int
    val_clips: int
    identities: int
    interpolated: int
    notes: int
    source: str
    skipped: int

    @classmethod
    def of(cls, layout: Layout, clips: Mapping[str, Sequence[Clip]], notes: Sequence[Note], source: str) -> 'Summary':
        """Summarise a layout.

        Args:
            layout (Layout): The layout, with its records.
            clips (dict[str, list[Clip]]): Its clips by split.
            notes (list[Note]): Notes that are not in its records.
            source (str): What a source is called.
        """
        records = layout.records.values()
        skipped = {record.source for record in records if not record.clips}
        skipped |= {note.clip for note in notes if note.first is None} - {record.source for record in records}
        return cls(
            layout.root,
            len(clips[TRAIN]),
            sum(clip.num_frames for clip in clips[TRAIN]),
            len(clips[VAL]),
            len({record.identity for record in records if record.clips}),
            sum(record.interpolated for record in records),
            len(notes) + sum(len(record.notes) for record in records),
            source,
            len(skipped),
        )

    def lines(self) -> list[str]:
        """Lines to show."""
        line = (
            f'{self.root}: {counted(self.train_clips, "clip")}, {counted(self.train_frames, "frame")} to train on, '
            f'{counted(self.val_clips, "clip")} held out'
        )
        if self.interpolated:
            line += f'; landmarks of {counted(self.interpolated, "frame")} interpolated'
        if self.notes:
            line += f'; {counted(self.skipped, self.source)} skipped' if self.skipped else '; parts skipped'
            line += f', see {self.root / REPORT_FILE}'
        lines = [line]
        if self.identities == 1:
            lines.append(
                'there is one identity only: '
                + (
                    'the clip held out shows a face that is trained on'
                    if self.val_clips
                    else 'its single clip is trained on, and nothing is held out'
                )
            )
        return lines


def counted(number: int, word: str) -> str:
    """A number with its noun: '1 clip', '2 clips', '3.1 M frames', '2 identities'."""
    shown = f'{number / 1e6:.1f} M' if number >= 1e6 else str(number)
    if number != 1:
        word = f'{word[:-1]}ies' if word.endswith('y') else f'{word}s'
    return f'{shown} {word}'
