"""Restoration of videos: reading, windows, writing."""
