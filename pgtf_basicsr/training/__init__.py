"""Starting, stopping and resuming runs of BasicSR's loop so that nothing is lost."""
