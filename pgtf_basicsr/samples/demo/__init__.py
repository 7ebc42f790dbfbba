"""The quickstart from data to a restored video, and its summary."""
