"""Trained networks for other programs, and what a file of weights is."""
