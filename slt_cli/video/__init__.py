"""Video files: what they say about themselves, and their frames."""
