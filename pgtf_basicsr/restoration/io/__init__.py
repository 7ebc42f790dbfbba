"""Where the frames of a video come from, and where restored ones go."""
