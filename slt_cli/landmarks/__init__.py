"""Points of the signer: their names, their estimation, and what is computed from them."""
