"""Decoding in processes of its own: a codec that hangs, crashes or eats memory costs one frame."""
