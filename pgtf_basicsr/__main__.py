"""``python -m pgtf_basicsr`` is the command ``basicsr``; torchrun starts it this way."""

from .cli import leave, main

leave(main())
