"""A drawn signer with a small sign language: demonstration corpora and test data, offline."""
