"""Everything that writes goes through here: atomic files, checkpoints, hashes, locks."""
