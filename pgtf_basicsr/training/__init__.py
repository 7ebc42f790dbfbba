"""Trainings: starting, stopping and resuming runs of BasicSR's loop so that nothing is lost.

What a training state holds is in ``models.resumable_model``; `saving` writes it, `state_files` reads it, `resuming`
chooses the one that a run resumes from.
"""
