"""``basicsr info``: what a file of weights is."""
