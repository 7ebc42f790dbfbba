"""``basicsr preview``: training windows of a prepared dataset in one image."""
