"""Other restorers behind one interface."""
