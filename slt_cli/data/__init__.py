"""Corpus to batches: dataset, augmentation, sampler, collation, tokenizer."""
