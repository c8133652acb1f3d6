"""`stream-inspector train`: good images -> a model folder; can be taken up again."""
