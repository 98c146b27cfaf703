"""The steps of `slt train`."""
