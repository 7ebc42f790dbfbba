"""``python -m pgtf_basicsr`` is the command ``basicsr``; torchrun starts it this way."""
import sys

from .cli import main

sys.exit(main())
