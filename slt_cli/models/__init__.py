"""Networks: ints and tensors in, a dataclass out. They know neither settings nor files."""
