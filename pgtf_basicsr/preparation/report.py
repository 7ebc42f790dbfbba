"""The report of a preparation: what was skipped or changed, and why."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..data.clips import frame_name
from ..files import replacing

__all__ = ['Note', 'limit_notes', 'write_report']

MOST_NOTES = 20


@dataclass(frozen=True)
class Note:
    """A line of the report: what was skipped or changed, and why.

    Attributes:
        clip (str): Name of the clip.
        reason (str): The reason in a few words.
        first (int | None): Number of the first frame concerned; None for the whole clip.
        last (int | None): Number of the last frame concerned.
    """

    clip: str
    reason: str
    first: int | None = None
    last: int | None = None


def limit_notes(notes: list[Note]) -> list[Note]:
    """Limit the notes of one clip to as many as somebody may read; a last one says how many more there are."""
    more = notes[MOST_NOTES:]
    return notes[:MOST_NOTES] + ([Note(more[0].clip, f'and {len(more)} more')] if more else [])


def write_report(path: Path, notes: Iterable[Note]) -> None:
    """Write the report as a table with tabs, sorted by clip and frame."""
    lines = ['clip\tframes\treason\n']
    for note in sorted(notes, key=lambda note: (note.clip, note.first or 0)):
        frames = 'all' if note.first is None else frame_name(note.first)
        if note.last is not None and note.last != note.first:
            frames += f'-{frame_name(note.last)}'
        lines.append(f'{note.clip}\t{frames}\t{note.reason}\n')
    with replacing(path) as file:
        file.write_text(''.join(lines))
