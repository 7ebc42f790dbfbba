"""Faces: detection, landmarks, alignment, tracks."""
