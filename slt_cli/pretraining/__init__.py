"""Self-supervised training of image backbones on folders of crops."""
