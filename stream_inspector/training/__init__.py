"""Good images -> a model version."""
