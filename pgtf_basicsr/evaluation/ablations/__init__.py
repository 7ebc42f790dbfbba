"""``basicsr report ablations``: finished runs of the network and of its variants, as tables of the paper's shape."""
