"""What preparing came to, in a line."""

from dataclasses import dataclass
from pathlib import Path

from .layout import REPORT_FILE
from .splits import TRAIN, VAL

__all__ = ['Summary', 'counted']


@dataclass(frozen=True)
class Summary:
    """Counts of a prepared folder.

    Attributes:
        root (Path): The folder.
        train_clips, train_frames: To train on.
        val_clips: Held out.
        identities (int): Of both splits.
        interpolated (int): Frames with landmarks interpolated.
        notes (int): Lines of the report.
        source (str): What a source is called: clip or video.
        left_out (int): Sources of which nothing is left.
    """

    root: Path
    train_clips: int
    train_frames: int
    val_clips: int
    identities: int
    interpolated: int
    notes: int
    source: str
    left_out: int

    @classmethod
    def of(cls, layout, clips, notes, source):
        """Of a layout, its clips by split, the notes that are not in its records, and what a source is called."""
        records = layout.records.values()
        gone = {record.source for record in records if not record.clips}
        return cls(
            layout.root,
            len(clips[TRAIN]),
            sum(clip.num_frames for clip in clips[TRAIN]),
            len(clips[VAL]),
            len({record.identity for record in records if record.clips}),
            sum(record.interpolated for record in records),
            len(notes) + sum(len(record.notes) for record in records),
            source,
            len(gone | ({note.clip for note in notes if note.first is None} - {record.source for record in records})),
        )

    def lines(self):
        """To be shown."""
        line = (
            f'{self.root}: {counted(self.train_clips, "clip")}, {counted(self.train_frames, "frame")} to train on, '
            f'{counted(self.val_clips, "clip")} held out'
        )
        if self.interpolated:
            line += f'; landmarks of {counted(self.interpolated, "frame")} interpolated'
        if self.notes:
            line += f'; {counted(self.left_out, self.source)} left out' if self.left_out else '; parts left out'
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


def counted(number, word):
    """'1 clip', '2 clips', '3.1 M frames', '2 identities'."""
    shown = f'{number / 1e6:.1f} M' if number >= 1e6 else str(number)
    if number != 1:
        word = f'{word[:-1]}ies' if word.endswith('y') else f'{word}s'
    return f'{shown} {word}'
