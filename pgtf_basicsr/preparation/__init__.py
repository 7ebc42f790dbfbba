"""From downloaded archives or ordinary videos to the folders that training reads: ``basicsr prepare``."""
