"""What `slt validate` does, by kind of target."""
