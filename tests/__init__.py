"""Tests, and the processes that they start, run in one thread each: networks as small as theirs lose by more."""

import os

# Read when torch is loaded, which the modules below this one do.
os.environ['OMP_NUM_THREADS'] = '1'
