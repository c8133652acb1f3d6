"""The two books of a run, sent and seen, and what they say when they are compared."""
