"""A model version: its tensors and manifest, the parts they make, what it takes, its self-test."""
