"""The rules that a corpus must follow, one function each."""
