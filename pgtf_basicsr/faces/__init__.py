"""Faces in frames: detection, landmarks, alignment, tracks and crops."""
