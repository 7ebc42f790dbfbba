"""Scores of restored clips: how they are measured, kept, shown and compared."""
