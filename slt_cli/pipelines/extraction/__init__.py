"""The parts of `slt extract`: one clip, many clips in processes of their own, drawings of them."""
