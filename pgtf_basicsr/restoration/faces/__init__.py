"""Restoration of chosen faces: found, followed, restored in crops, and pasted into whole frames."""
