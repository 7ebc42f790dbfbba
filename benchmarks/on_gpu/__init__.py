"""Sections of gpu.py: what a GPU reaches, restoration, training."""

import time

# Before torch is imported, which takes seconds.
STARTED = time.monotonic()
