"""``python -m pgtf_basicsr`` is the command ``basicsr``; torchrun starts it this way."""

from pgtf_command import main

main()
