"""Decoding, scores with signatures, and the files that hold them."""
