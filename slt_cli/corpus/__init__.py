"""The corpus on disk: where its files lie, how they are read and written."""
