"""Trained runs as bundles that translate without torch."""
