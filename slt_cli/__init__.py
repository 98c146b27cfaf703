"""slt: sign-language video to text, and the training of the models that do it."""

__version__ = "0.1.0"
